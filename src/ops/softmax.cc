// Softmax, LogSoftmax, Hardmax (1, 11, 13): over one axis from opset 13 (default -1); before, over all axes from
// `axis` (default 1) together.
#include <algorithm>
#include <cmath>

#include "ops/detail/arguments.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

AxisSplit split_of(const ir::Node& node, int version, std::span<const int64_t> dims) {
  const auto rank = static_cast<int>(dims.size());
  if (version >= 13) {
    if (rank == 0) return {};
    return split_at(dims, normalize_axis(node.attr_int("axis", -1), rank));
  }
  const int64_t axis = node.attr_int("axis", 1);
  if (axis < -rank || axis > rank) base::fail_input("E15", "axis {} is outside a tensor of rank {}", axis, rank);
  const auto a = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return {base::element_count(dims.first(a)), base::element_count(dims.subspan(a)), 1};
}

// f(input, output, length, stride) for every row.
template <typename F>
void reference_rows(ComputeContext& c, F f) {
  const AxisSplit s = split_of(c.node, c.version, c.in(0).dims());
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(c.in(0));
    WideOutput<T> y(c, 0, c.in(0).dtype(), x.dims());
    if (x.count() > 0)
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < s.inner; ++i) {
          const int64_t at = o * s.length * s.inner + i;
          f(x.data<T>().data() + at, y.begin() + at, s.length, s.inner);
        }
    y.finish();
  });
}

template <typename T>
double largest(const T* x, int64_t n, int64_t stride) {
  T best = x[0];
  for (int64_t i = 1; i < n; ++i) best = std::max(best, x[i * stride]);
  return static_cast<double>(best);
}

void softmax(ComputeContext& c) {
  reference_rows(c, []<typename T>(const T* x, T* y, int64_t n, int64_t stride) {
    const double top = largest(x, n, stride);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i * stride]) - top);
    for (int64_t i = 0; i < n; ++i)
      y[i * stride] = static_cast<T>(std::exp(static_cast<double>(x[i * stride]) - top) / sum);
  });
}

void log_softmax(ComputeContext& c) {
  reference_rows(c, []<typename T>(const T* x, T* y, int64_t n, int64_t stride) {
    const double top = largest(x, n, stride);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i * stride]) - top);
    const double shift = top + std::log(sum);
    for (int64_t i = 0; i < n; ++i)
      y[i * stride] = static_cast<T>(static_cast<double>(x[i * stride]) - shift);
  });
}

void hardmax(ComputeContext& c) {
  reference_rows(c, []<typename T>(const T* x, T* y, int64_t n, int64_t stride) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i)
      if (x[i * stride] > x[best * stride]) best = i;
    for (int64_t i = 0; i < n; ++i) y[i * stride] = static_cast<T>(i == best);
  });
}

}  // namespace

extern const Operator kSoftmax{.name = "Softmax",
                               .infer = infer_same,
                               .reference = softmax,
                               .traits = {.quant = QuantClass::kCombines,
                                          .fixed_range = std::pair{0.0F, 1.0F}}};
extern const Operator kLogSoftmax{.name = "LogSoftmax", .infer = infer_same, .reference = log_softmax};
extern const Operator kHardmax{.name = "Hardmax", .infer = infer_same, .reference = hardmax};

}  // namespace tersor::ops
