#include "passes/channel_scale.h"

#include <algorithm>
#include <bit>

#include "passes/constants.h"

namespace tersor::passes {
namespace {

enum class Kind { kNone, kConv, kConvTranspose, kGemm, kMatMul };

Kind kind_of(const Editor& g, ir::NodeId n) {
  if (g.is(n, "Conv")) return Kind::kConv;
  if (g.is(n, "ConvTranspose")) return Kind::kConvTranspose;
  if (g.is(n, "Gemm")) return Kind::kGemm;
  if (g.is(n, "MatMul")) return Kind::kMatMul;
  return Kind::kNone;
}

// The weights as [outer, channels, inner]: element (o, c, i) belongs to output channel c.
// ConvTranspose has groups: its outer index selects the group too.
struct Split {
  int64_t outer, length, inner, groups, channels;
};

std::optional<Split> split(const ir::Node& node, Kind kind, const Tensor& w) {
  const auto inner_from = [&](int axis) {
    int64_t n = 1;
    for (int i = axis; i < w.rank(); ++i) n *= w.dim(static_cast<size_t>(i));
    return n;
  };
  const int64_t group = node.attr_int("group", 1);
  switch (kind) {
    case Kind::kConv:
      if (w.rank() < 3) return {};
      return Split{1, w.dim(0), inner_from(1), 1, w.dim(0)};
    case Kind::kConvTranspose:
      if (w.rank() < 3 || group < 1 || w.dim(0) % group != 0) return {};
      return Split{w.dim(0), w.dim(1), inner_from(2), group, w.dim(1) * group};
    case Kind::kGemm:
      if (w.rank() != 2) return {};
      if (node.attr_int("transB", 0) != 0) return Split{1, w.dim(0), w.dim(1), 1, w.dim(0)};
      return Split{w.dim(0), w.dim(1), 1, 1, w.dim(1)};
    case Kind::kMatMul:
      if (w.rank() != 2) return {};
      return Split{w.dim(0), w.dim(1), 1, 1, w.dim(1)};
    case Kind::kNone:
      return {};
  }
  return {};
}

// The constant bias as one number per channel; what it is added as is beta * bias for Gemm.
std::optional<std::vector<double>> bias_of(const Editor& g, const ir::Node& node,
                                           int64_t channels) {
  if (node.op == "MatMul" || node.input(2) == ir::kNone)
    return std::vector<double>(static_cast<size_t>(channels), 0.0);
  const Tensor* b = g.constant(node.input(2));
  if (!b || !is_float(*b)) return {};
  // Gemm also takes a bias for each row, which is no bias per channel.
  for (int i = 0; i + 1 < b->rank(); ++i)
    if (b->dim(static_cast<size_t>(i)) != 1) return {};
  std::vector<double> values = to_doubles(*b);
  if (values.size() == 1) values.resize(static_cast<size_t>(channels), values[0]);
  if (static_cast<int64_t>(values.size()) != channels) return {};
  return values;
}

// visit(first element, how many, output channel) of runs of weights.
template <typename Visit>
void each_run(const Split& s, Visit&& visit) {
  size_t at = 0;
  for (int64_t o = 0; o < s.outer; ++o) {
    const int64_t first = s.groups == 1 ? 0 : o / (s.outer / s.groups) * s.length;
    for (int64_t c = 0; c < s.length; ++c, at += static_cast<size_t>(s.inner))
      visit(at, static_cast<size_t>(s.inner), static_cast<size_t>(first + c));
  }
}

// Each weight times its channel's factor, in double, rounded once; nullopt if one is not finite
// then.
std::optional<Tensor> products(const Tensor& w, const Split& s, std::span<const double> scale) {
  if (w.dtype() != DType::kFloat32) {
    std::vector<double> weights = to_doubles(w);
    each_run(s, [&](size_t from, size_t count, size_t channel) {
      for (size_t i = from; i < from + count; ++i) weights[i] *= scale[channel];
    });
    return from_doubles(w.dtype(), w.dims(), weights);
  }
  Tensor result = Tensor::empty(DType::kFloat32, w.dims());
  const float* x = w.data<float>().data();
  float* y = result.mutable_data<float>().data();
  constexpr uint32_t kExponent = 0x7f800000;  // all of it set: infinite or NaN
  uint32_t bad = 0;
  each_run(s, [&](size_t from, size_t count, size_t channel) {
    const double factor = scale[channel];
    for (size_t i = from; i < from + count; ++i) {
      y[i] = static_cast<float>(static_cast<double>(x[i]) * factor);
      bad |= (std::bit_cast<uint32_t>(y[i]) & kExponent) == kExponent;
    }
  });
  if (bad != 0) return {};
  return result;
}

}  // namespace

std::optional<Weighted> weighted(const Editor& g, ir::NodeId n) {
  const Kind kind = kind_of(g, n);
  if (kind == Kind::kNone) return {};
  const ir::Node& node = g.node(n);
  const Tensor* w = g.constant(node.input(1));
  if (!w || !is_float(*w)) return {};
  const std::optional<Split> s = split(node, kind, *w);
  if (!s || !bias_of(g, node, s->channels)) return {};
  const bool convolution = kind == Kind::kConv || kind == Kind::kConvTranspose;
  return Weighted{s->channels, convolution ? w->rank() - 2 : 0, kind != Kind::kMatMul};
}

std::optional<Scaled> scaled(const Editor& g, ir::NodeId n, std::span<const double> scale,
                             std::span<const double> shift) {
  const ir::Node& node = g.node(n);
  const Kind kind = kind_of(g, n);
  const Tensor& w = *g.constant(node.input(1));
  const Split s = *split(node, kind, w);
  std::vector<double> bias = *bias_of(g, node, s.channels);
  // Gemm adds beta * C: C' = C * scale + shift / beta.
  const double beta =
      kind == Kind::kGemm ? static_cast<double>(node.attr_float("beta", 1.0F)) : 1.0;
  const bool had_bias = kind != Kind::kMatMul && node.input(2) != ir::kNone;
  if (had_bias && beta == 0.0) return {};
  for (size_t c = 0; c < bias.size(); ++c)
    bias[c] = bias[c] * scale[c] + shift[c] / (had_bias ? beta : 1.0);

  Scaled result;
  std::optional<Tensor> new_weights = products(w, s, scale);
  if (!new_weights) return {};
  result.weights = std::move(*new_weights);
  const bool zero = std::ranges::all_of(bias, [](double b) { return b == 0.0; });
  if (!had_bias && zero) return result;
  if (kind == Kind::kMatMul) return {};
  result.bias = from_doubles(w.dtype(), {s.channels}, bias);
  if (!result.bias) return {};
  return result;
}

void set_weights(Editor& g, ir::NodeId n, Scaled scaled, const char* origin) {
  const ir::Node& node = g.node(n);
  const std::string wish = node.name.empty() ? g.value(node.output(0)).name : node.name;
  std::vector<ir::ValueId> inputs{node.input(0), ir::kNone};
  const std::string weight_name = g.value(node.input(1)).name;
  const bool had_bias = node.input(2) != ir::kNone;
  const std::string bias_name = had_bias ? g.value(node.input(2)).name : wish + ".bias";
  inputs[1] = g.add_constant(weight_name, std::move(scaled.weights));
  if (scaled.bias) {
    inputs.push_back(g.add_constant(bias_name, std::move(*scaled.bias)));
    if (!had_bias && g.node(n).has("beta")) g.node(n).set("beta", 1.0F);
  }
  g.set_inputs(n, std::move(inputs));
  g.node(n).origin = origin;
}

}  // namespace tersor::passes
