// MatMul (1, 9, 13): numpy's matmul. Integer sums wrap.
#include "ops/detail/matmul_shape.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) { c.out(0, c.elem(0), infer_matmul(c.shape(0), c.shape(1))); }

template <typename T>
void run(ComputeContext& c) {
  using Sum = sum_of_t<T>;
  const Tensor a = widened<T>(c.in(0)), b = widened<T>(c.in(1));
  const MatMulShape s = matmul_shape(a.dims(), b.dims());
  WideOutput<T> y(c, 0, c.in(0).dtype(), s.out);
  T* out = y.begin();
  std::vector<Sum> sums(static_cast<size_t>(s.n));
  for (const auto& [at, bt] : matmul_batches(s, a.dims(), b.dims())) {
    const T* left = a.data<T>().data() + at * s.m * s.k;
    const T* right = b.data<T>().data() + bt * s.k * s.n;
    for (int64_t m = 0; m < s.m; ++m) {
      std::ranges::fill(sums, Sum{0});
      for (int64_t k = 0; k < s.k; ++k) {
        const auto v = static_cast<Sum>(left[m * s.k + k]);
        for (int64_t n = 0; n < s.n; ++n)
          sums[static_cast<size_t>(n)] += v * static_cast<Sum>(right[k * s.n + n]);
      }
      for (Sum v : sums) *out++ = static_cast<T>(v);
    }
  }
  y.finish();
}

void reference(ComputeContext& c) {
  dispatch_wide_numeric(c.in(0).dtype(), [&]<typename T>() { run<T>(c); });
}

}  // namespace

extern const Operator kMatMul{.name = "MatMul",
                              .infer = infer,
                              .reference = reference,
                              .traits = {.quant = QuantClass::kWeighted, .data_inputs = 3}};

}  // namespace tersor::ops
