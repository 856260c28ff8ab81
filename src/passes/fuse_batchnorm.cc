// BatchNormalization goes into the weights of the operator before it.
//
//   before   y = BatchNormalization(f(x, W, b), scale, B, mean, var)
//   after    y = f(x, W', b')     k = scale / sqrt(var + epsilon),  W' = W * k,  b' = (b - mean) *
//   k + B   per channel when     f is Conv, ConvTranspose, Gemm, or MatMul with a result of two
//   axes (then y = MatMul(x, W') + b'); all
//            parameters are constant floats and var + epsilon > 0; f's result has no other reader;
//            inference mode
//   exact    both sides are k * (W x + b - mean) + B; the new weights are computed in double and
//   rounded once, so that each
//            weight is off by at most half a unit in its last place
#include <cmath>

#include "passes/channel_scale.h"
#include "passes/constants.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

struct Affine {
  std::vector<double> scale, shift;
};

std::optional<Affine> affine_of(const Editor& g, const ir::Node& bn) {
  if (bn.attr_int("training_mode", 0) != 0 || bn.attr_int("spatial", 1) == 0 ||
      bn.outputs.size() != 1)
    return {};
  std::vector<double> p[4];
  for (size_t i = 0; i < 4; ++i) {
    const Tensor* t = g.constant(bn.input(i + 1));
    if (!t || !is_float(*t)) return {};
    p[i] = to_doubles(*t);
    if (p[i].size() != p[0].size()) return {};
  }
  const double epsilon = static_cast<double>(bn.attr_float("epsilon", 1e-5F));
  Affine a;
  for (size_t c = 0; c < p[0].size(); ++c) {
    const double variance = p[3][c] + epsilon;
    if (!(variance > 0) || !std::isfinite(variance)) return {};
    const double k = p[0][c] / std::sqrt(variance);
    a.scale.push_back(k);
    a.shift.push_back(p[1][c] - p[2][c] * k);
  }
  return a;
}

// Whether f was changed. Without a bias input (MatMul), the normalization's node becomes the
// addition of the shift.
bool fuse(Editor& g, ir::NodeId n, PassContext& context) {
  const ir::ValueId y = g.node(n).input(0), out = g.node(n).output(0);
  const ir::NodeId f = g.producer(y);
  if (f == ir::kNone || !g.used_once(y)) return false;
  const std::optional<Weighted> w = weighted(g, f);
  if (!w || (w->axis_from_end == 0 && g.type(y).rank() != 2)) return false;
  const std::optional<Affine> a = affine_of(g, g.node(n));
  if (!a || static_cast<int64_t>(a->scale.size()) != w->channels) return false;
  const std::vector<double> none(a->shift.size(), 0.0);
  std::optional<Scaled> weights = scaled(g, f, a->scale, w->takes_bias ? a->shift : none);
  if (!weights) return false;
  std::optional<Tensor> shift;
  if (!w->takes_bias) {
    shift = from_doubles(weights->weights.dtype(), {w->channels}, a->shift);
    if (!shift) return false;
  }
  if (!context.step()) return false;
  set_weights(g, f, std::move(*weights), "fuse_batchnorm");
  if (shift) {
    const ir::ValueId c = g.add_constant(g.value(g.node(n).input(2)).name, std::move(*shift));
    g.set_inputs(n, {y, c});
    g.node(n).op = "Add";
    g.node(n).attributes.clear();
    g.node(n).origin = "fuse_batchnorm";
    return true;
  }
  g.remove(n);
  g.set_outputs(f, {out});
  return true;
}

}  // namespace

int fuse_batchnorm(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n)
      if (g.is(n, "BatchNormalization")) rewrites += fuse(g, n, context);
    return rewrites;
  });
}

}  // namespace tersor::passes
