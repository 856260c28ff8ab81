// A matrix product with a constant and the addition of a constant row become Gemm.
//
//   before   t = MatMul(x, W), y = Add(t, b)
//   after    y = Gemm(x, W, b)
//   when     x has two axes for sure; W is a constant [K, N] and b a constant [N], [1, N] or of one
//   element (of at most two
//            axes), of the same float type; t has no other reader
//   exact    Gemm with alpha = beta = 1 is that sum
#include "passes/constants.h"
#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

bool fuse(Editor& g, ir::NodeId n, PassContext& context) {
  if (!g.is(n, "Add")) return false;
  const size_t at = g.constant(g.node(n).input(0)) ? 1 : 0;
  const ir::ValueId t = g.node(n).input(at), bias = g.node(n).input(1 - at),
                    out = g.node(n).output(0);
  const ir::NodeId product = g.made_by(t, "MatMul");
  const Tensor* b = g.constant(bias);
  if (product == ir::kNone || !b || !g.used_once(t)) return false;
  const ir::ValueId x = g.node(product).input(0), weights = g.node(product).input(1);
  const Tensor* w = g.constant(weights);
  if (!w || w->rank() != 2 || !is_float(*w) || b->dtype() != w->dtype() || g.type(x).rank() != 2)
    return false;
  const int64_t columns = w->dim(1);
  if (b->rank() > 2 || (b->rank() == 2 && b->dim(0) != 1) ||
      (b->count() != 1 && b->count() != columns))
    return false;
  if (!context.step()) return false;
  g.remove(n);
  g.set_inputs(product, {x, weights, bias});
  g.set_outputs(product, {out});
  g.node(product).op = "Gemm";
  g.node(product).origin = "matmul_add_to_gemm";
  return true;
}

}  // namespace

int matmul_add_to_gemm(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) rewrites += g.alive(n) && fuse(g, n, context);
    return rewrites;
  });
}

}  // namespace tersor::passes
