// Tensors of 16-bit floats to and from float32, spread over the pool of a step.
#pragma once

#include "kernels/halves/halves.h"
#include "ops/operator.h"

namespace tersor::ops::detail {

// The type of float that the kernels know by another name; nullopt for any other type.
std::optional<kernels::FloatType> float_type(DType type);
DType dtype_of(kernels::FloatType type);

// A constant of a float type in float32, exactly.
Tensor in_float32(const Tensor& x, base::IsaSet isa);
// Exactly; `x` is float16 or bfloat16.
Tensor widened(runtime::StepContext& c, const Tensor& x, const kernels::halves::Table& table);
// Rounded to nearest even; `type` is float16 or bfloat16.
Tensor narrowed(runtime::StepContext& c, const Tensor& x, DType type,
                const kernels::halves::Table& table);

}  // namespace tersor::ops::detail
