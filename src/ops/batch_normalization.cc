// BatchNormalization (7, 9, 14, 15): y = (x - mean) / sqrt(var + epsilon) * scale + bias per channel (axis 1).
// With training_mode (14) mean and variance are the batch's, and the running ones are outputs.
#include <array>
#include <cmath>

#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  c.out(0, c.elem(0), c.shape(0));
  for (size_t i = 1; i < c.output_count() && i < 3; ++i) c.out(i, c.elem(3), c.shape(i == 1 ? 3 : 4));
}

template <typename T>
void run(ComputeContext& c) {
  const Tensor x = widened<T>(c.in(0));
  if (x.rank() < 1) base::fail_input("E17", "BatchNormalization of a scalar");
  const AxisSplit s = x.rank() == 1 ? AxisSplit{x.dim(0), 1, 1} : split_at(x.dims(), 1);
  std::array<std::vector<double>, 4> parameters;
  for (size_t i = 1; i <= 4; ++i) {
    const Tensor& t = c.in(i);
    if (t.count() != s.length)
      base::fail_input("E17", "a parameter of shape {} for {} channels", tensor::to_string(t.dims()),
                       s.length);
    for (int64_t k = 0; k < s.length; ++k) parameters[i - 1].push_back(tensor::as_double(t, k));
  }
  auto& [scale, bias, mean, variance] = parameters;
  const T* in = x.data<T>().data();
  const auto at = [&](int64_t o, int64_t k, int64_t i) { return (o * s.length + k) * s.inner + i; };
  if (c.node.attr_int("training_mode", 0) != 0) {
    const double momentum = static_cast<double>(c.node.attr_float("momentum", 0.9F));
    std::vector<double> running_mean, running_variance;
    for (int64_t k = 0; k < s.length; ++k) {
      const auto ch = static_cast<size_t>(k);
      const auto n = static_cast<double>(s.outer * s.inner);
      double sum = 0, squares = 0;
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < s.inner; ++i) sum += static_cast<double>(in[at(o, k, i)]);
      const double m = sum / n;
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < s.inner; ++i) {
          const double d = static_cast<double>(in[at(o, k, i)]) - m;
          squares += d * d;
        }
      running_mean.push_back(mean[ch] * momentum + m * (1 - momentum));
      running_variance.push_back(variance[ch] * momentum + squares / n * (1 - momentum));
      mean[ch] = m;
      variance[ch] = squares / n;
    }
    for (size_t i = 1; i <= 2; ++i)
      if (c.wants(i)) {
        WideOutput<double> y(c, i, c.in(3).dtype(), c.in(3).dims());
        std::ranges::copy(i == 1 ? running_mean : running_variance, y.begin());
        y.finish();
      }
  } else if (c.wants(1)) {
    base::fail_unsupported("BatchNormalization with more than one output is training");
  }
  const double epsilon = static_cast<double>(c.node.attr_float("epsilon", 1e-5F));
  WideOutput<T> y(c, 0, c.in(0).dtype(), x.dims());
  T* out = y.begin();
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t k = 0; k < s.length; ++k) {
      const auto ch = static_cast<size_t>(k);
      const double factor = scale[ch] / std::sqrt(variance[ch] + epsilon);
      for (int64_t i = 0; i < s.inner; ++i)
        out[at(o, k, i)] = static_cast<T>((static_cast<double>(in[at(o, k, i)]) - mean[ch]) * factor +
                                          bias[ch]);
    }
  y.finish();
}

void reference(ComputeContext& c) {
  if (c.node.attr_int("spatial", 1) == 0)
    base::fail_unsupported("BatchNormalization with attribute spatial of 0");
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() { run<T>(c); });
}

}  // namespace

extern const Operator kBatchNormalization{
    .name = "BatchNormalization", .since = 7, .infer = infer, .reference = reference};

}  // namespace tersor::ops
