// MeanVarianceNormalization (9, 13): zero mean and unit deviation over `axes`. LpNormalization (1,
// 22): unit norm along an axis. Sums in double.
#include <algorithm>
#include <cmath>

#include "ops/detail/arguments.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

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
  const AxisSplit s =
      split_at(input.dims(), normalize_axis(c.node.attr_int("axis", -1), input.rank()));
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

extern const Operator kMeanVarianceNormalization{
    .name = "MeanVarianceNormalization", .infer = infer_same, .reference = reference_mean_variance};
extern const Operator kLpNormalization{
    .name = "LpNormalization", .infer = infer_same, .reference = reference_lp};

}  // namespace tersor::ops
