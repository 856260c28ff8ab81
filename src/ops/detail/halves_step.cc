#include "ops/detail/halves_step.h"

namespace tersor::ops::detail {
namespace {

constexpr int64_t kGrain = 32768;

}  // namespace

std::optional<kernels::FloatType> float_type(DType type) {
  if (type == DType::kFloat32) return kernels::FloatType::f32;
  if (type == DType::kFloat16) return kernels::FloatType::f16;
  if (type == DType::kBfloat16) return kernels::FloatType::bf16;
  return {};
}

DType dtype_of(kernels::FloatType type) {
  if (type == kernels::FloatType::f32) return DType::kFloat32;
  return type == kernels::FloatType::f16 ? DType::kFloat16 : DType::kBfloat16;
}

Tensor in_float32(const Tensor& x, base::IsaSet isa) {
  if (x.dtype() == DType::kFloat32) return x;
  Tensor y = Tensor::empty(DType::kFloat32, x.dims());
  kernels::halves::table(isa).widen(*float_type(x.dtype()), x.raw(), y.mutable_data<float>().data(),
                                    x.count());
  return y;
}

Tensor widened(runtime::StepContext& c, const Tensor& x, const kernels::halves::Table& table) {
  Tensor y = c.arena->make(DType::kFloat32, x.dims());
  const kernels::FloatType type = *float_type(x.dtype());
  const std::byte* from = x.raw();
  float* to = y.mutable_data<float>().data();
  c.pool->parallel_for(x.count(), kGrain, [&](int64_t begin, int64_t end, int) {
    table.widen(type, from + 2 * begin, to + begin, end - begin);
  });
  return y;
}

Tensor narrowed(runtime::StepContext& c, const Tensor& x, DType type,
                const kernels::halves::Table& table) {
  Tensor y = c.arena->make(type, x.dims());
  const float* from = x.data<float>().data();
  std::byte* to = y.raw_mutable();
  c.pool->parallel_for(x.count(), kGrain, [&](int64_t begin, int64_t end, int) {
    table.narrow(*float_type(type), from + begin, to + 2 * begin, end - begin);
  });
  return y;
}

}  // namespace tersor::ops::detail
