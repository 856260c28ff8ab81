// Between f32 and the 16-bit floats: exact when widened, rounded to nearest even when narrowed; NaN
// stays NaN. Equal to tensor::to_float, to_half and to_bfloat16 for every input, on every ISA, but
// that the instructions make a signaling NaN a quiet one.
#pragma once

#include <cstdint>

#include "base/isa.h"
#include "simd/halves.h"

namespace tersor::kernels {

// How floats lie in memory.
enum class FloatType : uint8_t { f32, f16, bf16 };

inline int element_bytes(FloatType type) noexcept { return type == FloatType::f32 ? 4 : 2; }

// Calls f with `p` as a pointer to elements of the type.
template <typename F>
void with_elements(FloatType type, const void* p, F&& f) noexcept {
  if (type == FloatType::f16)
    f(static_cast<const simd::half*>(p));
  else if (type == FloatType::bf16)
    f(static_cast<const simd::bfloat16*>(p));
  else
    f(static_cast<const float*>(p));
}
template <typename F>
void with_elements(FloatType type, void* p, F&& f) noexcept {
  if (type == FloatType::f16)
    f(static_cast<simd::half*>(p));
  else if (type == FloatType::bf16)
    f(static_cast<simd::bfloat16*>(p));
  else
    f(static_cast<float*>(p));
}

namespace halves {

struct Table {
  base::Isa isa;
  void (*from_half)(const uint16_t* x, float* y, int64_t n) noexcept;
  void (*to_half)(const float* x, uint16_t* y, int64_t n) noexcept;
  void (*from_bfloat16)(const uint16_t* x, float* y, int64_t n) noexcept;
  void (*to_bfloat16)(const float* x, uint16_t* y, int64_t n) noexcept;

  // For f16 and bf16.
  void widen(FloatType type, const void* x, float* y, int64_t n) const noexcept {
    (type == FloatType::f16 ? from_half : from_bfloat16)(static_cast<const uint16_t*>(x), y, n);
  }
  void narrow(FloatType type, const float* x, void* y, int64_t n) const noexcept {
    (type == FloatType::f16 ? to_half : to_bfloat16)(x, static_cast<uint16_t*>(y), n);
  }
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace halves
}  // namespace tersor::kernels
