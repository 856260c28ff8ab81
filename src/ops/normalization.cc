// LayerNormalization (17), RMSNormalization (23), GroupNormalization (18, 21), InstanceNormalization (1, 6, 22),
// MeanVarianceNormalization (9, 13), LpNormalization (1, 22). Means and variances in double.
#include <algorithm>
#include <cmath>

#include "ops/detail/arguments.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

struct Moments {
  double mean, variance;
};
template <typename T>
Moments moments(const T* x, int64_t n, int64_t stride = 1) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i * stride]);
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i * stride]) - mean;
    squares += d * d;
  }
  return {mean, squares / static_cast<double>(n)};
}

DType stash_type(const ir::Node& node) { return static_cast<DType>(node.attr_int("stash_type", 1)); }

void infer_layer(InferContext& c) {
  c.out(0, c.elem(0), c.shape(0));
  if (c.output_count() < 2) return;
  auto reduced = c.shape(0);
  if (reduced)
    for (auto i = static_cast<size_t>(normalize_axis(c.node.attr_int("axis", -1), c.rank(0)));
         i < reduced->size(); ++i)
      (*reduced)[i] = ir::Dim(1);
  for (size_t i = 1; i < c.output_count(); ++i) c.out(i, stash_type(c.node), reduced);
}

// Rows of all axes from `axis`; scale (and bias) broadcast to the input.
template <bool kCentred>
void reference_layer(ComputeContext& c) {
  const Dims dims = c.in(0).dims();
  const int axis = normalize_axis(c.node.attr_int("axis", -1), c.in(0).rank());
  const auto a = static_cast<size_t>(axis);
  const int64_t rows = base::element_count(std::span(dims).first(a));
  const int64_t length = base::element_count(std::span(dims).subspan(a));
  const double epsilon = static_cast<double>(c.node.attr_float("epsilon", 1e-5F));
  for (size_t i = 1; i <= (kCentred ? 2 : 1); ++i)
    if (c.has(i) && broadcast_dims(c.in(i).dims(), dims) != dims)
      base::fail_input("E17", "a parameter of shape {} for an input of {}",
                       tensor::to_string(c.in(i).dims()), tensor::to_string(dims));
  std::vector<double> means, factors;
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(c.in(0)), scale = widened<T>(c.in(1));
    Tensor bias;
    if (kCentred && c.has(2)) bias = widened<T>(c.in(2));
    const T* in = x.data<T>().data();
    for (int64_t r = 0; r < rows; ++r) {
      const Moments m = moments(in + r * length, length);
      means.push_back(kCentred ? m.mean : 0.0);
      const double power = kCentred ? m.variance : m.variance + m.mean * m.mean;
      factors.push_back(1 / std::sqrt(power + epsilon));
    }
    WideOutput<T> y(c, 0, c.in(0).dtype(), dims);
    T* out = y.begin();
    int64_t e = 0;
    walk<2>(dims,
            {broadcast_strides(scale.dims(), dims),
             bias.defined() ? broadcast_strides(bias.dims(), dims) : Dims(dims.size(), 0)},
            [&](const std::array<int64_t, 2>& o) {
              const auto r = static_cast<size_t>(e / length);
              double v = (static_cast<double>(in[e]) - means[r]) * factors[r] *
                         static_cast<double>(scale.data<T>()[static_cast<size_t>(o[0])]);
              if (bias.defined()) v += static_cast<double>(bias.data<T>()[static_cast<size_t>(o[1])]);
              out[e++] = static_cast<T>(v);
            });
    y.finish();
  });
  Dims reduced = dims;
  std::fill(reduced.begin() + axis, reduced.end(), 1);
  for (size_t i = 1; i <= 2; ++i)
    if (kCentred && c.wants(i)) {
      WideOutput<double> y(c, i, stash_type(c.node), reduced);
      std::ranges::copy(i == 1 ? means : factors, y.begin());
      y.finish();
    }
}

// One scale and bias per `per` consecutive channels of the input [n, channels, ...]; mean and variance over
// groups of channels.
void normalize_groups(ComputeContext& c, int64_t groups, int64_t parameters) {
  const Tensor& input = c.in(0);
  if (input.rank() < 2 || groups < 1 || input.dim(1) % groups != 0 || parameters < 1 ||
      input.dim(1) % parameters != 0 || c.in(1).count() != parameters || c.in(2).count() != parameters)
    base::fail_input("E17", "{} groups of an input of shape {}, scale {}, bias {}", groups,
                     tensor::to_string(input.dims()), tensor::to_string(c.in(1).dims()),
                     tensor::to_string(c.in(2).dims()));
  const double epsilon = static_cast<double>(c.node.attr_float("epsilon", 1e-5F));
  const int64_t channels = input.dim(1), size = base::element_count(std::span(input.dims()).subspan(2));
  const int64_t length = channels / groups * size;
  dispatch_wide(input.dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(input);
    WideOutput<T> y(c, 0, input.dtype(), input.dims());
    const T* in = x.data<T>().data();
    T* out = y.begin();
    for (int64_t g = 0; g < input.dim(0) * groups && length > 0; ++g) {
      const Moments m = moments(in + g * length, length);
      const double factor = 1 / std::sqrt(m.variance + epsilon);
      for (int64_t i = 0; i < length; ++i) {
        const int64_t e = g * length + i;
        const int64_t p = e / size % channels / (channels / parameters);
        out[e] = static_cast<T>((static_cast<double>(in[e]) - m.mean) * factor *
                                    tensor::as_double(c.in(1), p) +
                                tensor::as_double(c.in(2), p));
      }
    }
    y.finish();
  });
}

void reference_group(ComputeContext& c) {
  const int64_t groups = c.node.attr_int("num_groups", 0);
  normalize_groups(c, groups, c.version < 21 ? groups : c.in(0).rank() > 1 ? c.in(0).dim(1) : 0);
}

void reference_instance(ComputeContext& c) {
  const int64_t channels = c.in(0).rank() > 1 ? c.in(0).dim(1) : 0;
  normalize_groups(c, channels, channels);
}

void reference_mean_variance(ComputeContext& c) {
  std::vector<int64_t> list = c.node.attr_ints("axes");
  if (!c.node.has("axes")) list = {0, 2, 3};
  const Tensor& input = c.in(0);
  Dims kept, kept_strides, reduced, reduced_strides;
  const Dims strides = strides_of(input.dims());
  const std::vector<int> axes = normalize_axes(list, input.rank());
  for (int i = 0; i < input.rank(); ++i) {
    const bool in = std::ranges::binary_search(axes, i);
    (in ? reduced : kept).push_back(input.dims()[static_cast<size_t>(i)]);
    (in ? reduced_strides : kept_strides).push_back(strides[static_cast<size_t>(i)]);
  }
  dispatch_wide(input.dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(input);
    WideOutput<T> y(c, 0, input.dtype(), input.dims());
    const T* in = x.data<T>().data();
    T* out = y.begin();
    const auto n = static_cast<double>(base::element_count(reduced));
    walk<1>(kept, {kept_strides}, [&](const std::array<int64_t, 1>& base) {
      const auto each = [&](auto&& f) {
        walk<1>(reduced, {reduced_strides},
                [&](const std::array<int64_t, 1>& o) { f(base[0] + o[0]); });
      };
      double sum = 0, squares = 0;
      each([&](int64_t e) { sum += static_cast<double>(in[e]); });
      each([&](int64_t e) {
        const double d = static_cast<double>(in[e]) - sum / n;
        squares += d * d;
      });
      const double deviation = std::sqrt(squares / n) + 1e-9;
      each([&](int64_t e) {
        out[e] = static_cast<T>((static_cast<double>(in[e]) - sum / n) / deviation);
      });
    });
    y.finish();
  });
}

void reference_lp(ComputeContext& c) {
  const Tensor& input = c.in(0);
  const AxisSplit s = split_at(input.dims(), normalize_axis(c.node.attr_int("axis", -1), input.rank()));
  const int64_t p = c.node.attr_int("p", 2);
  if (p != 1 && p != 2) base::fail_input("E22", "attribute p is {}", p);
  dispatch_wide(input.dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(input);
    WideOutput<T> y(c, 0, input.dtype(), input.dims());
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        const int64_t at = o * s.length * s.inner + i;
        const T* in = x.data<T>().data() + at;
        T* out = y.begin() + at;
        double norm = 0;
        for (int64_t k = 0; k < s.length; ++k) {
          const auto v = static_cast<double>(in[k * s.inner]);
          norm += p == 1 ? std::fabs(v) : v * v;
        }
        if (p == 2) norm = std::sqrt(norm);
        for (int64_t k = 0; k < s.length; ++k)
          out[k * s.inner] =
              static_cast<T>(norm == 0 ? 0.0 : static_cast<double>(in[k * s.inner]) / norm);
      }
    y.finish();
  });
}

}  // namespace

extern const Operator kLayerNormalization{.name = "LayerNormalization",
                                          .infer = infer_layer,
                                          .reference = reference_layer<true>};
extern const Operator kRMSNormalization{.name = "RMSNormalization",
                                        .infer = infer_same,
                                        .reference = reference_layer<false>};
extern const Operator kGroupNormalization{
    .name = "GroupNormalization", .since = 18, .infer = infer_same, .reference = reference_group};
extern const Operator kInstanceNormalization{
    .name = "InstanceNormalization", .infer = infer_same, .reference = reference_instance};
extern const Operator kMeanVarianceNormalization{.name = "MeanVarianceNormalization",
                                                 .infer = infer_same,
                                                 .reference = reference_mean_variance};
extern const Operator kLpNormalization{
    .name = "LpNormalization", .infer = infer_same, .reference = reference_lp};

}  // namespace tersor::ops
