// Weights that are listed as graph inputs too are inputs no more.
//
//   before   IR version 3: every initializer must also be a graph input
//   after    IR version 4 or newer: the inputs are what a caller gives
//   when     always; a caller's own value for such an input (a default, since IR version 4) is not
//   supported anywhere
//            in tersor
//   exact    nothing is computed differently
#include <algorithm>

#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {

int initializers_not_inputs(ir::Model& model, PassContext& context) {
  int total = 0;
  const auto listed = [](const ir::Graph& g) {
    return std::ranges::any_of(g.inputs,
                               [&](ir::ValueId v) { return g.values[v].constant.has_value(); });
  };
  total += for_each_graph(model, [&](ir::Graph& g, const Scope*) {
    if (!listed(g) || !context.step()) return 0;
    return static_cast<int>(
        std::erase_if(g.inputs, [&](ir::ValueId v) { return g.values[v].constant.has_value(); }));
  });
  if (model.ir_version < 4 && !listed(model.graph) && context.step()) {
    model.ir_version = 4;
    ++total;
  }
  return total;
}

}  // namespace tersor::passes
