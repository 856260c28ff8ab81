// For tests of kernels whose floats may lie in memory as any FloatType.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "kernels/halves/halves.h"

namespace tersor::kernels::testing {

inline constexpr FloatType kFloatTypes[] = {FloatType::f32, FloatType::f16, FloatType::bf16};

// The elements of `x` as they lie in memory; x itself is rounded to what the type can hold.
inline std::vector<std::byte> stored(std::vector<float>& x, FloatType type) {
  std::vector<std::byte> bytes(x.size() * static_cast<size_t>(element_bytes(type)));
  with_elements(type, bytes.data(), [&]<typename T>(T* to) {
    for (size_t i = 0; i < x.size(); ++i) {
      if constexpr (std::is_same_v<T, float>) {
        to[i] = x[i];
      } else {
        simd::narrow(x[i], to[i]);
        x[i] = simd::to_float(to[i]);
      }
    }
  });
  return bytes;
}

inline std::vector<float> loaded(const std::vector<std::byte>& bytes, FloatType type) {
  std::vector<float> x(bytes.size() / static_cast<size_t>(element_bytes(type)));
  with_elements(type, bytes.data(), [&]<typename T>(const T* from) {
    for (size_t i = 0; i < x.size(); ++i) {
      if constexpr (std::is_same_v<T, float>)
        x[i] = from[i];
      else
        x[i] = simd::to_float(from[i]);
    }
  });
  return x;
}

// The most that rounding a number of at most this magnitude to the type changes it.
inline double rounding(FloatType type, double magnitude) {
  if (type == FloatType::f32) return 0;
  return type == FloatType::f16 ? std::max(std::ldexp(magnitude, -11), 0x1p-25)
                                : std::ldexp(magnitude, -8);
}

}  // namespace tersor::kernels::testing
