// From an element type at run time to a C++ type: one generic lambda per operator serves all types.
// Half and Bfloat16 compute in float and round once when stored.
#pragma once

#include <span>
#include <type_traits>

#include "tensor/tensor.h"

namespace tersor::ops::detail {

// The type in which elements stored as T are computed.
template <typename T>
struct Arithmetic {
  using type = T;
};
template <>
struct Arithmetic<Half> {
  using type = float;
};
template <>
struct Arithmetic<Bfloat16> {
  using type = float;
};
template <typename T>
using arithmetic_t = typename Arithmetic<T>::type;

template <typename T>
arithmetic_t<T> load(T v) noexcept {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, Bfloat16>)
    return tensor::to_float(v);
  else
    return v;
}
template <typename T>
T store(arithmetic_t<T> v) noexcept {
  if constexpr (std::is_same_v<T, Half>)
    return tensor::to_half(v);
  else if constexpr (std::is_same_v<T, Bfloat16>)
    return tensor::to_bfloat16(v);
  else
    return v;
}

// Elements of a bool tensor as bytes: any non-zero byte is true.
inline std::span<const uint8_t> bool_bytes(const Tensor& t) {
  return {reinterpret_cast<const uint8_t*>(t.raw()), static_cast<size_t>(t.count())};
}
inline std::span<uint8_t> bool_bytes(Tensor& t) {
  return {reinterpret_cast<uint8_t*>(t.raw_mutable()), static_cast<size_t>(t.count())};
}

// Which C++ types a dispatch instantiates; or them.
enum TypeSet : unsigned {
  kFloatTypes = 1,     // float, double, Half, Bfloat16
  kSignedTypes = 2,    // int8_t .. int64_t
  kUnsignedTypes = 4,  // uint8_t .. uint64_t
  kIntegerTypes = kSignedTypes | kUnsignedTypes,
  kNumericTypes = kFloatTypes | kIntegerTypes,
};

// Calls f.template operator()<T>() for the C++ type of `type`; a kUnsupported Error names a type
// outside the set.
template <unsigned kSet, typename F>
decltype(auto) dispatch(DType type, F&& f) {
  if constexpr ((kSet & kFloatTypes) != 0) {
    switch (type) {
      case DType::kFloat32:
        return f.template operator()<float>();
      case DType::kFloat64:
        return f.template operator()<double>();
      case DType::kFloat16:
        return f.template operator()<Half>();
      case DType::kBfloat16:
        return f.template operator()<Bfloat16>();
      default:
        break;
    }
  }
  if constexpr ((kSet & kSignedTypes) != 0) {
    switch (type) {
      case DType::kInt8:
        return f.template operator()<int8_t>();
      case DType::kInt16:
        return f.template operator()<int16_t>();
      case DType::kInt32:
        return f.template operator()<int32_t>();
      case DType::kInt64:
        return f.template operator()<int64_t>();
      default:
        break;
    }
  }
  if constexpr ((kSet & kUnsignedTypes) != 0) {
    switch (type) {
      case DType::kUint8:
        return f.template operator()<uint8_t>();
      case DType::kUint16:
        return f.template operator()<uint16_t>();
      case DType::kUint32:
        return f.template operator()<uint32_t>();
      case DType::kUint64:
        return f.template operator()<uint64_t>();
      default:
        break;
    }
  }
  base::fail_unsupported("element type {} is not supported here", tensor::name(type));
}

template <typename F>
decltype(auto) dispatch_numeric(DType type, F&& f) {
  return dispatch<kNumericTypes>(type, f);
}
template <typename F>
decltype(auto) dispatch_float(DType type, F&& f) {
  return dispatch<kFloatTypes>(type, f);
}
template <typename F>
decltype(auto) dispatch_integer(DType type, F&& f) {
  return dispatch<kIntegerTypes>(type, f);
}

}  // namespace tersor::ops::detail
