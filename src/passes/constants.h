// Small questions about constant tensors.
#pragma once

#include <cmath>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tersor::passes {

inline bool is_float(const Tensor& t) {
  return t.dtype() == DType::kFloat32 || t.dtype() == DType::kFloat64 ||
         t.dtype() == DType::kFloat16 || t.dtype() == DType::kBfloat16;
}

// The one element of a numeric tensor of any rank.
inline std::optional<double> single(const Tensor* t) {
  if (!t || t->count() != 1 || (!is_float(*t) && !tensor::is_integer(t->dtype()))) return {};
  return tensor::as_double(*t, 0);
}

// One element that is `wanted` up to the rounding of the tensor's type.
inline bool is_near(const Tensor* t, double wanted) {
  const std::optional<double> v = single(t);
  if (!v) return false;
  const double epsilon = t->dtype() == DType::kFloat16    ? 0x1p-10
                         : t->dtype() == DType::kBfloat16 ? 0x1p-7
                                                          : 0x1p-21;
  return std::abs(*v - wanted) <= epsilon * std::abs(wanted);
}

inline bool all_equal(const Tensor& t, double wanted) {
  if (!is_float(t) && !tensor::is_integer(t.dtype())) return false;
  for (int64_t i = 0; i < t.count(); ++i)
    if (tensor::as_double(t, i) != wanted) return false;
  return true;
}

// All elements of a constant integer tensor; nullopt if `t` is none.
inline std::optional<std::vector<int64_t>> integers(const Tensor* t) {
  if (!t || !tensor::is_integer(t->dtype())) return {};
  return tensor::to_int64s(*t);
}

inline std::vector<double> to_doubles(const Tensor& t) {
  if (t.dtype() == DType::kFloat32) {
    const auto floats = t.data<float>();
    return {floats.begin(), floats.end()};
  }
  std::vector<double> values(static_cast<size_t>(t.count()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = tensor::as_double(t, static_cast<int64_t>(i));
  return values;
}

// Rounded once to the float type `dtype`; nullopt if an element does not fit it as a finite number.
inline std::optional<Tensor> from_doubles(DType dtype, Dims dims, std::span<const double> values) {
  const Tensor result = tensor::cast(Tensor::of<double>(std::move(dims), values), dtype);
  for (int64_t i = 0; i < result.count(); ++i)
    if (!std::isfinite(tensor::as_double(result, i))) return {};
  return result;
}

}  // namespace tersor::passes
