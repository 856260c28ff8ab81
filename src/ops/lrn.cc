// LRN (1, 13): y = x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^
// beta.
#include <cmath>

#include "ops/detail/arguments.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void reference(ComputeContext& c) {
  const Tensor& input = c.in(0);
  if (input.rank() < 2) base::fail_input("E17", "LRN of shape {}", tensor::to_string(input.dims()));
  const AxisSplit s = split_at(input.dims(), 1);
  const int64_t size = c.node.attr_int("size", 0);
  if (size < 1) base::fail_input("E22", "attribute size is {}", size);
  const double alpha = static_cast<double>(c.node.attr_float("alpha", 1e-4F));
  const double beta = static_cast<double>(c.node.attr_float("beta", 0.75F));
  const double bias = static_cast<double>(c.node.attr_float("bias", 1));
  const int64_t before = std::min((size - 1) / 2, s.length), behind = std::min(size / 2, s.length);
  dispatch_wide(input.dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(input);
    WideOutput<T> y(c, 0, input.dtype(), input.dims());
    const T* in = x.data<T>().data();
    T* out = y.begin();
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t k = 0; k < s.length; ++k)
        for (int64_t i = 0; i < s.inner; ++i) {
          double sum = 0;
          for (int64_t j = std::max<int64_t>(k - before, 0);
               j <= std::min(k + behind, s.length - 1); ++j) {
            const auto v = static_cast<double>(in[(o * s.length + j) * s.inner + i]);
            sum += v * v;
          }
          const int64_t e = (o * s.length + k) * s.inner + i;
          out[e] = static_cast<T>(static_cast<double>(in[e]) /
                                  std::pow(bias + alpha / static_cast<double>(size) * sum, beta));
        }
    y.finish();
  });
}

}  // namespace

extern const Operator kLRN{.name = "LRN", .infer = infer_same, .reference = reference};

}  // namespace tersor::ops
