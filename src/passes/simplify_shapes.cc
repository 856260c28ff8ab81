// A computed target shape of a Reshape, of which inference knows all but one element, becomes a
// constant.
//
//   before   y = Reshape(x, Concat(Shape(x)[0], 12, -1))
//   after    y = Reshape(x, [0, 12, -1])
//   when     every element is a number, or the symbol that x has at the same place (written 0:
//   copied), or the only
//            one that is neither (written -1: what is left); no allowzero
//   exact    the same shape for every x that has elements; no other element of the list is 0, so
//   that -1 is determined
#include "passes/editor.h"
#include "passes/passes.h"
#include "passes/shapes.h"

namespace tersor::passes {
namespace {

std::optional<std::vector<int64_t>> target(const ir::Type& x, const ir::Type& wanted) {
  if (!wanted.contents) return {};
  std::vector<int64_t> numbers;
  int open = 0;
  for (size_t i = 0; i < wanted.contents->size(); ++i) {
    const ir::Dim& d = (*wanted.contents)[i];
    const std::optional<int64_t> n = number(d);
    const bool copied = x.shape && i < x.shape->size() && (*x.shape)[i] == d;
    if (n && *n == 0 && !(x.shape && i < x.shape->size())) return {};
    numbers.push_back(n ? *n : copied ? 0 : -1);
    open += numbers.back() == -1;
  }
  if (open > 1) return {};
  // An element that is the number 0 leaves -1 undetermined.
  if (open == 1)
    for (const ir::Dim& d : *wanted.contents)
      if (number(d) == 0) return {};
  return numbers;
}

}  // namespace

int simplify_shapes(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      if (!g.is(n, "Reshape") || g.node(n).inputs.size() != 2 ||
          g.node(n).attr_int("allowzero", 0) != 0)
        continue;
      const ir::ValueId x = g.node(n).input(0), shape = g.node(n).input(1);
      if (x == ir::kNone || shape == ir::kNone || g.constant(shape)) continue;
      const auto numbers = target(g.type(x), g.type(shape));
      if (!numbers) continue;
      if (!context.step()) break;
      const ir::ValueId constant = g.add_constant(g.value(shape).name, Tensor::vector(*numbers));
      g.set_input(n, 1, constant);
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
