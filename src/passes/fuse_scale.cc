// A constant factor or addend for each channel goes into the weights of the operator before it.
//
//   before   y = f(x, W, b) * c,  / c,  + c,  - c,  or c - f(x, W, b)
//   after    y = f(x, W', b')     W' = W * k,  b' = b * k + t   per channel
//   when     f is Conv, ConvTranspose or Gemm (MatMul for factors); c is a constant float, one
//   number or one for each
//            channel, that does not broadcast f's result; the result has no other reader
//   exact    the same numbers but for the order of rounding; W' and b' are computed in double and
//   rounded once
#include <algorithm>

#include "passes/channel_scale.h"
#include "passes/constants.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

// The constant as one number for each channel of f's result, whose rank is `rank` (-1: unknown).
std::optional<std::vector<double>> per_channel(const Tensor& c, const Weighted& w, int rank) {
  if (!is_float(c) || c.rank() > std::max(rank, w.axis_from_end + 1)) return {};
  for (int i = 0; i < c.rank(); ++i) {
    const int from_end = c.rank() - 1 - i;
    const int64_t d = c.dim(static_cast<size_t>(i));
    if (d != 1 && (from_end != w.axis_from_end || d != w.channels)) return {};
  }
  std::vector<double> values = to_doubles(c);
  if (values.size() == 1) values.resize(static_cast<size_t>(w.channels), values[0]);
  return values;
}

bool fuse(Editor& g, ir::NodeId n, PassContext& context) {
  const bool add = g.is(n, "Add"), mul = g.is(n, "Mul"), sub = g.is(n, "Sub"), div = g.is(n, "Div");
  if (!add && !mul && !sub && !div) return false;
  const size_t at = g.constant(g.node(n).input(0)) ? 1 : 0;
  const ir::ValueId y = g.node(n).input(at), out = g.node(n).output(0);
  const Tensor* c = g.constant(g.node(n).input(1 - at));
  const ir::NodeId f = g.producer(y);
  if (!c || f == ir::kNone || !g.used_once(y) || (div && at == 1)) return false;
  const std::optional<Weighted> w = weighted(g, f);
  if (!w || c->dtype() != g.constant(g.node(f).input(1))->dtype()) return false;
  // A convolution's rank is that of its weights; of other results only the last axis is known.
  const int rank = w->axis_from_end > 0 ? w->axis_from_end + 2
                   : g.is(f, "Gemm")    ? 2
                                        : g.type(y).rank();
  std::optional<std::vector<double>> values = per_channel(*c, *w, rank);
  if (!values) return false;
  std::vector<double> scale(values->size(), 1.0), shift(values->size(), 0.0);
  for (size_t i = 0; i < values->size(); ++i) {
    const double v = (*values)[i];
    if (mul) scale[i] = v;
    if (div) scale[i] = 1.0 / v;
    if (add) shift[i] = v;
    if (sub) shift[i] = at == 0 ? -v : v;
    if (sub && at == 1) scale[i] = -1.0;
  }
  // Before all weights are multiplied for nothing.
  if (!w->takes_bias && std::ranges::any_of(shift, [](double v) { return v != 0; })) return false;
  std::optional<Scaled> weights = scaled(g, f, scale, shift);
  if (!weights || !context.step()) return false;
  set_weights(g, f, std::move(*weights), "fuse_scale");
  g.remove(n);
  g.set_outputs(f, {out});
  return true;
}

}  // namespace

int fuse_scale(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) rewrites += g.alive(n) && fuse(g, n, context);
    return rewrites;
  });
}

}  // namespace tersor::passes
