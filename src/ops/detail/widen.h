// Computing in float or double whatever narrower type is stored: inputs are converted at the door,
// outputs on the way out.
#pragma once

#include <type_traits>

#include "ops/operator.h"

namespace tersor::ops::detail {

// float for float32, float16 and bfloat16, double for float64: calls f.template operator()<T>().
template <typename F>
decltype(auto) dispatch_wide(DType type, F&& f) {
  switch (type) {
    case DType::kFloat32:
    case DType::kFloat16:
    case DType::kBfloat16:
      return f.template operator()<float>();
    case DType::kFloat64:
      return f.template operator()<double>();
    default:
      base::fail_unsupported("element type {} is not supported here", tensor::name(type));
  }
}

// The same, and int64_t for integers (sums wrap as the narrow type's would).
template <typename F>
decltype(auto) dispatch_wide_numeric(DType type, F&& f) {
  if (tensor::is_integer(type)) return f.template operator()<int64_t>();
  return dispatch_wide(type, f);
}

// What sums of T are kept in.
template <typename T>
using sum_of_t = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

template <typename T>
Tensor widened(const Tensor& t) {
  return tensor::cast(t, tensor::dtype_of<T>());
}

// Output `index` in the making: elements of T that become `dtype` when finish() is called.
template <typename T>
class WideOutput {
 public:
  WideOutput(ComputeContext& c, size_t index, DType dtype, Dims dims)
      : c_(c),
        index_(index),
        dtype_(dtype),
        wide_(dtype == tensor::dtype_of<T>()
                  ? c.out(index, dtype, std::move(dims))
                  : Tensor::empty(tensor::dtype_of<T>(), std::move(dims))) {}
  std::span<T> data() { return wide_.template mutable_data<T>(); }
  T* begin() { return data().data(); }
  void finish() {
    if (wide_.dtype() == dtype_ || index_ >= c_.outputs.size()) return;
    c_.outputs[index_] = tensor::cast(wide_, dtype_);
  }

 private:
  ComputeContext& c_;
  size_t index_;
  DType dtype_;
  Tensor wide_;
};

}  // namespace tersor::ops::detail
