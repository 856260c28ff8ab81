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

constexpr bool has_estimate(Binary f) noexcept {
  return f == Binary::add || f == Binary::sub || f == Binary::mul;
}

template <typename F>
constexpr Binary kBinaryOf = std::is_same_v<F, Add>   ? Binary::add
                             : std::is_same_v<F, Sub> ? Binary::sub
                             : std::is_same_v<F, Mul> ? Binary::mul
                                                      : Binary::max;

inline ByteEstimate estimate_of(Binary f, const Exact& e, double& error) noexcept {
  if (f == Binary::mul) return estimate_of_product(e, error);
  return estimate_of_sum(e, f == Binary::add ? 1 : -1, error);
}

// By an estimate that holds for every pair, or, not settled, by one that holds far from ties.
template <typename F, bool kSettled>
void byte_run_estimated(const uint8_t* p, const uint8_t* q, uint8_t* to, int64_t n, const Exact& e,
                        const ByteEstimate& by, double error) noexcept {
  constexpr auto kExactly = byte_run_exactly<F, Pattern::vector_vector>;
  if constexpr (kBinaryOf<F> == Binary::mul)
    multiply_by_estimate<kSettled>(p, q, to, n, e, by, error, kExactly);
  else
    add_by_estimate<kSettled>(p, q, to, n, e, by, error, kExactly);
}

template <typename F, Pattern kPattern>
void byte_run(const void* a, const void* b, void* y, int64_t n,
              const ByteBinaryCall& call) noexcept {
  const Exact e(call);
  const auto* p = static_cast<const uint8_t*>(a);
  const auto* q = static_cast<const uint8_t*>(b);
  auto* to = static_cast<uint8_t*>(y);
  if constexpr (kPattern == Pattern::vector_vector && has_estimate(kBinaryOf<F>)) {
    if (call.estimate.settled) return byte_run_estimated<F, true>(p, q, to, n, e, call.estimate, 0);
    double error = 0;
    const ByteEstimate by = estimate_of(kBinaryOf<F>, e, error);
    if (error < kMostError) return byte_run_estimated<F, false>(p, q, to, n, e, by, error);
  }
  byte_run_exactly<F, kPattern>(p, q, to, n, e);
}

// Pairs of codes, int8 ones 128 higher, as bits.
struct Pairs {
  uint64_t of[256][4];
};

// Those whose code an estimate at most `margin` away from `by` and from the definition may miss:
// where `by` is not farther than that from a tie.
template <typename F>
void find_near(const Exact& e, const ByteEstimate& by, float margin, Pairs& near) noexcept {
  const auto za = static_cast<float>(e.left.zero), zb = static_cast<float>(e.right.zero);
  for (int p = 0; p < 256; ++p) {
    int32_t off[256], any = 0;
    const auto x = static_cast<float>(p);
    for (int q = 0; q < 256; ++q) {
      const auto y = static_cast<float>(q);
      const float v = kBinaryOf<F> == Binary::mul ? (x - za) * (y - zb) * by.factor_a
                                                  : x * by.factor_a + y * by.factor_b + by.constant;
      const float distance = v - ((v + 12582912.0f) - 12582912.0f);  // rint of |v| <= 2^22
      off[q] = (distance < 0 ? -distance : distance) > 0.5f - margin;
      any |= off[q];
    }
    for (int w = 0; w < 4; ++w) {
      near.of[p][w] = 0;
      for (int i = 0; any && i < 64; ++i)
        near.of[p][w] |= static_cast<uint64_t>(off[w * 64 + i]) << i;
    }
  }
}

// Whether the codes that the estimate gives for these pairs are those of the definition.
template <typename F>
bool holds(const Exact& e, const ByteEstimate& by, const Pairs& pairs) noexcept {
  constexpr int kSome = 256;  // a multiple of any vector's
  alignas(64) uint8_t a[kSome] = {}, b[kSome] = {}, got[kSome], wanted[kSome];
  int count = 0;
  const auto same = [&] {
    count = 0;
    byte_run_estimated<F, true>(a, b, got, kSome, e, by, 0);
    byte_run_exactly<F, Pattern::vector_vector>(a, b, wanted, kSome, e);
    return __builtin_memcmp(got, wanted, kSome) == 0;
  };
  for (int p = 0; p < 256; ++p)
    for (int w = 0; w < 4; ++w)
      for (uint64_t bits = pairs.of[p][w]; bits; bits &= bits - 1) {
        a[count] = static_cast<uint8_t>(p ^ e.left.flip);
        b[count] = static_cast<uint8_t>((w * 64 + __builtin_ctzll(bits)) ^ e.right.flip);
        if (++count == kSome && !same()) return false;
      }
  return count == 0 || same();
}

template <typename F>
ByteEstimate settle_one(const ByteBinaryCall& call) noexcept {
  const Exact e(call);
  double error = 0;
  const ByteEstimate first = estimate_of(kBinaryOf<F>, e, error);
  if (!(error < kMostError)) return {};
  // The roundings of `first` and of what is tried below, and how far that is from it: half of
  // `error` for sums, `error` for products, and 2^-17.
  Pairs near;
  find_near<F>(e, first, static_cast<float>(3 * error + 0x1p-16), near);
  // What rounds to the wrong side of a tie is some roundings away from it: a little more or less of
  // the constant or of a factor moves it.
  const auto around = [](int i) { return static_cast<float>((i + 1) / 2 * (i % 2 ? 1 : -1)); };
  constexpr bool kSum = kBinaryOf<F> != Binary::mul;
  for (int i = 0; i < (kSum ? 81 : 9); ++i) {
    ByteEstimate by = first;
    by.factor_a *= 1 + around(kSum ? i / 9 % 3 : i) * 0x1p-23f;
    by.factor_b *= 1 + around(i / 27) * 0x1p-23f;
    by.constant += around(i % 9) * 0x1p-19f;
    if (!holds<F>(e, by, near)) continue;
    by.settled = true;
    return by;
  }
  return {};
}

inline ByteEstimate settle(Binary f, const ByteBinaryCall& call) noexcept {
  switch (f) {
    case Binary::add:
      return settle_one<Add>(call);
    case Binary::sub:
      return settle_one<Sub>(call);
    case Binary::mul:
      return settle_one<Mul>(call);
    default:
      return {};
  }
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
           {byte_run<Max, kVv>, byte_run<Max, kVs>, byte_run<Max, kSv>}},
          settle};
}
