// The loops of quantized_binary, for the compiler to vectorize. No include guard.
//
// int8 codes become uint8 codes with their top bit turned (and a zero point 128 higher): one loop
// serves every mixture of types.

#define TERSOR_MAP [[gnu::always_inline]] static inline float apply
struct Add {
  TERSOR_MAP(float a, float b) noexcept { return a + b; }
};
struct Sub {
  TERSOR_MAP(float a, float b) noexcept { return a - b; }
};
struct Mul {
  TERSOR_MAP(float a, float b) noexcept { return a * b; }
};
struct Div {
  TERSOR_MAP(float a, float b) noexcept { return a / b; }
};
struct Min {
  TERSOR_MAP(float a, float b) noexcept { return a < b ? a : b; }
};
struct Max {
  TERSOR_MAP(float a, float b) noexcept { return a > b ? a : b; }
};
#undef TERSOR_MAP

[[gnu::always_inline]] inline float real(uint8_t code, uint8_t flip, int32_t zero,
                                         float scale) noexcept {
  return static_cast<float>(static_cast<int32_t>(code ^ flip) - zero) * scale;
}

template <typename F, Pattern kPattern>
void byte_run_exactly(const uint8_t* a, const uint8_t* b, uint8_t* y, int64_t n,
                      const Exact& e) noexcept {
  if (n <= 0) return;
  const uint8_t a_flip = e.left.flip, b_flip = e.right.flip, y_flip = e.y_flip;
  const int32_t a_zero = e.left.zero, b_zero = e.right.zero, y_zero = e.y_zero;
  const float a_scale = e.left.scale, b_scale = e.right.scale, y_scale = e.y_scale;
  const float low = e.low, high = e.high;
  const float a0 = real(*a, a_flip, a_zero, a_scale), b0 = real(*b, b_flip, b_zero, b_scale);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float p = kPattern == Pattern::scalar_vector ? a0 : real(a[i], a_flip, a_zero, a_scale);
    const float q = kPattern == Pattern::vector_scalar ? b0 : real(b[i], b_flip, b_zero, b_scale);
    float v = F::apply(p, q) / y_scale;
    v = v > low ? v : low;  // NaN gives low
    v = v < high ? v : high;
    // rint of |v| <= 2^22: the bits of the sum are the integer.
    const int32_t code = __builtin_bit_cast(int32_t, v + 12582912.0f) - 0x4b400000 + y_zero;
    y[i] = static_cast<uint8_t>(static_cast<uint8_t>(code) ^ y_flip);
  }
}

template <typename F, Pattern kPattern>
void byte_run(const void* a, const void* b, void* y, int64_t n,
              const ByteBinaryCall& call) noexcept {
  const Exact e(call);
  const auto* p = static_cast<const uint8_t*>(a);
  const auto* q = static_cast<const uint8_t*>(b);
  auto* to = static_cast<uint8_t*>(y);
  if constexpr (kPattern == Pattern::vector_vector) {
    constexpr auto kExactly = byte_run_exactly<F, kPattern>;
    if constexpr (std::is_same_v<F, Add>)
      if (add_by_estimate(p, q, to, n, e, 1, kExactly)) return;
    if constexpr (std::is_same_v<F, Sub>)
      if (add_by_estimate(p, q, to, n, e, -1, kExactly)) return;
    if constexpr (std::is_same_v<F, Mul>)
      if (multiply_by_estimate(p, q, to, n, e, kExactly)) return;
  }
  byte_run_exactly<F, kPattern>(p, q, to, n, e);
}

constexpr ByteTable make_byte_table(base::Isa isa) noexcept {
  constexpr Pattern kVv = Pattern::vector_vector, kVs = Pattern::vector_scalar,
                    kSv = Pattern::scalar_vector;
  return {isa,
          {{byte_run<Add, kVv>, byte_run<Add, kVs>, byte_run<Add, kSv>},
           {byte_run<Sub, kVv>, byte_run<Sub, kVs>, byte_run<Sub, kSv>},
           {byte_run<Mul, kVv>, byte_run<Mul, kVs>, byte_run<Mul, kSv>},
           {byte_run<Div, kVv>, byte_run<Div, kVs>, byte_run<Div, kSv>},
           {byte_run<Min, kVv>, byte_run<Min, kVs>, byte_run<Min, kSv>},
           {byte_run<Max, kVv>, byte_run<Max, kVs>, byte_run<Max, kSv>}}};
}
