// The loops of halves, for the compiler to vectorize: selections, no branches. No include guard.

[[gnu::always_inline]] inline float half_to_float(uint32_t h) noexcept {
  const uint32_t sign = (h & 0x8000u) << 16, magnitude = h & 0x7fffu;
  const uint32_t normal = (magnitude << 13) + 0x38000000u;
  const uint32_t special = (magnitude << 13) | 0x7f800000u;  // infinity, NaN
  // Subnormal: a multiple of 2^-24, exact in float.
  const uint32_t small =
      __builtin_bit_cast(uint32_t, static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  uint32_t bits = magnitude < 0x400u ? small : normal;
  bits = magnitude >= 0x7c00u ? special : bits;
  return __builtin_bit_cast(float, bits | sign);
}

[[gnu::always_inline]] inline uint32_t float_to_half(float f) noexcept {
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
  return h | sign;
}

[[gnu::always_inline]] inline uint32_t float_to_bfloat16(float f) noexcept {
  const uint32_t u = __builtin_bit_cast(uint32_t, f);
  const uint32_t nan = (u >> 16) | 0x40u, rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return (u & 0x7fffffffu) > 0x7f800000u ? nan : rounded;
}

inline void from_half(const uint16_t* x, float* y, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = half_to_float(x[i]);
}
inline void to_half(const float* x, uint16_t* y, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<uint16_t>(float_to_half(x[i]));
}
inline void from_bfloat16(const uint16_t* x, float* y, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i)
    y[i] = __builtin_bit_cast(float, static_cast<uint32_t>(x[i]) << 16);
}
inline void to_bfloat16(const float* x, uint16_t* y, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<uint16_t>(float_to_bfloat16(x[i]));
}

constexpr Table make_table(base::Isa isa) {
  return {isa, from_half, to_half, from_bfloat16, to_bfloat16};
}
