// The 16-bit floats as they lie in memory, and what they mean: exact when widened, rounded to the
// nearest when narrowed, ties to even. NaN stays NaN. Selections, no branches: loops of these
// vectorize.
#pragma once

#include <cstdint>

namespace tersor::simd {

struct half {
  uint16_t bits;
};
struct bfloat16 {
  uint16_t bits;
};

[[gnu::always_inline]] inline float to_float(half x) noexcept {
  const uint32_t h = x.bits, sign = (h & 0x8000u) << 16, magnitude = h & 0x7fffu;
  const uint32_t normal = (magnitude << 13) + 0x38000000u;
  const uint32_t special = (magnitude << 13) | 0x7f800000u;  // infinity, NaN
  // Subnormal: a multiple of 2^-24, exact in float.
  const uint32_t small =
      __builtin_bit_cast(uint32_t, static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  uint32_t bits = magnitude < 0x400u ? small : normal;
  bits = magnitude >= 0x7c00u ? special : bits;
  return __builtin_bit_cast(float, bits | sign);
}

[[gnu::always_inline]] inline float to_float(bfloat16 x) noexcept {
  return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16);
}

[[gnu::always_inline]] inline void narrow(float f, half& to) noexcept {
  const uint32_t u = __builtin_bit_cast(uint32_t, f);
  const uint32_t sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
  const uint32_t nan = 0x7e00u | ((a >> 13) & 0x3ffu);
  // Subnormal: the addition rounds to the grid of 2^-24.
  const uint32_t small =
      __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, a) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
  uint32_t h = a < 0x38800000u ? small : normal;
  h = a >= 0x477ff000u ? 0x7c00u : h;
  h = a > 0x7f800000u ? nan : h;
  to.bits = static_cast<uint16_t>(h | sign);
}

[[gnu::always_inline]] inline void narrow(float f, bfloat16& to) noexcept {
  const uint32_t u = __builtin_bit_cast(uint32_t, f);
  const uint32_t nan = (u >> 16) | 0x40u, rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  to.bits = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

}  // namespace tersor::simd
