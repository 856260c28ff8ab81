// Constant nodes become initializers.
//
//   before   y = Constant<value>()
//   after    y is an initializer of that value
//   when     y is no graph output (files whose outputs are initializers are not read everywhere),
//   and the value is a
//            dense tensor, a number, a string or a list of them
//   exact    the same tensor under the same name
#include "ops/infer.h"
#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {

int constants_to_initializers(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      if (!g.is(n, "Constant") || g.node(n).attributes.size() != 1) continue;
      const ir::Attribute& a = g.node(n).attributes[0];
      if (std::holds_alternative<ir::Attribute::Opaque>(a.data) ||
          std::holds_alternative<ir::Attribute::Reference>(a.data))
        continue;
      const ir::ValueId out = g.node(n).output(0);
      if (out == ir::kNone || g.is_output(out)) continue;
      if (!context.step()) break;
      Tensor value = ops::interpret(g.node(n), model, {}).at(0);
      g.remove(n);
      g.set_constant(out, std::move(value));
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
