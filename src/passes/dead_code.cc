// Nodes nobody reads go, with the values only they needed.
//
//   before   a node none of whose outputs is read by a node, by a body, or by the caller; an
//   initializer likewise after    nothing; second outputs that nobody reads (the mask of Dropout,
//   the indices of MaxPool) are left out when     always: ONNX operators have no side effects exact
//   no result depends on them
#include <algorithm>
#include <array>
#include <string_view>

#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

constexpr std::array<std::string_view, 4> kOptionalOutputs{"BatchNormalization", "Dropout",
                                                           "LayerNormalization", "MaxPool"};

bool unused(const Editor& g, ir::ValueId v) {
  return v == ir::kNone || (g.readers(v).empty() && !g.is_output(v));
}

bool has_unused_constants(const Editor& g) {
  const ir::Graph& graph = g.graph();
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (graph.values[v].constant && unused(g, static_cast<ir::ValueId>(v)) &&
        std::ranges::count(graph.inputs, static_cast<ir::ValueId>(v)) == 0)
      return true;
  return false;
}

}  // namespace

int dead_code(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = g.count(); n-- > 0;) {
      std::vector<ir::ValueId> outputs = g.node(n).outputs;
      if (std::ranges::all_of(outputs, [&](ir::ValueId v) { return unused(g, v); })) {
        if (!context.step()) return rewrites;
        g.remove(n);
        ++rewrites;
        continue;
      }
      if (outputs.size() < 2 || !unused(g, outputs.back()) ||
          std::ranges::none_of(kOptionalOutputs, [&](std::string_view op) { return g.is(n, op); }))
        continue;
      if (!context.step()) return rewrites;
      while (outputs.size() > 1 && unused(g, outputs.back())) outputs.pop_back();
      g.set_outputs(n, std::move(outputs));
      ++rewrites;
    }
    // finish() drops them.
    if (rewrites == 0 && has_unused_constants(g) && context.step()) ++rewrites;
    return rewrites;
  });
}

}  // namespace tersor::passes
