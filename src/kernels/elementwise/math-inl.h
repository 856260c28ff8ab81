// Elementary functions of one float, without branches, so that loops over them vectorize. Sums of
// products are fused by name, on every ISA, so that every ISA gives the same bits. NaN goes
// through. Included inside the target region and the namespace of one ISA. No include guard. Those
// that are templates take vectors, too.
//
// Largest relative errors where results are normal numbers (the tests compare with double):
//   exp_f, exp_quick 2e-7, expm1_f 4e-7, log_f 2e-7, log1p_f (0 <= x <= 1) 3e-7, tanh_f 4e-7,
//   erf_f 5e-7, sigmoid_f 4e-7 (x > -87).

#define TERSOR_MAP [[gnu::always_inline]] inline

template <typename V>
struct BitsOf {
  typedef uint32_t type __attribute__((vector_size(sizeof(V))));
};
template <>
struct BitsOf<float> {
  using type = uint32_t;
};
template <typename V>
using Bits = typename BitsOf<V>::type;

// a * b + c, rounded once.
TERSOR_MAP float fused(float a, float b, float c) noexcept { return __builtin_fmaf(a, b, c); }
template <typename V>
TERSOR_MAP V fused(V a, V b, V c) noexcept {
#pragma GCC unroll 16
  for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(float)); ++i)
    a[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return a;
}
template <typename V>
TERSOR_MAP V fused(V a, V b, float c) noexcept {
  return fused(a, b, V{} + c);
}

TERSOR_MAP float as_float(uint32_t bits) noexcept { return __builtin_bit_cast(float, bits); }
template <typename V>
TERSOR_MAP Bits<V> as_bits(V x) noexcept {
  return __builtin_bit_cast(Bits<V>, x);
}
TERSOR_MAP float magnitude(float x) noexcept { return as_float(as_bits(x) & 0x7fffffffu); }
TERSOR_MAP float with_sign(float magnitude, float sign) noexcept {
  return as_float(as_bits(magnitude) | (as_bits(sign) & 0x80000000u));
}
// NaN stays NaN. In the order of operands for which there is one instruction.
TERSOR_MAP float at_least(float x, float low) noexcept { return low > x ? low : x; }
template <typename V>
TERSOR_MAP V at_least(V x, float low) noexcept {
  V least = V{} + low;
  asm("" : "+x"(least));  // a known constant would be compared and chosen, by two instructions
  return least > x ? least : x;
}
template <typename V>
TERSOR_MAP V clamped(V x, float low, float high) noexcept {
  const V most = V{} + high, v = at_least(x, low);
  return most < v ? most : v;
}

// x = n ln 2 + r, |r| <= ln 2 / 2, for |x| < 2^20. n also as bits, for the exponent.
template <typename V>
struct Reduced {
  V r;
  Bits<V> n;
};
template <typename V>
TERSOR_MAP Reduced<V> reduced(V x) noexcept {
  const V shifted = fused(x, V{} + 1.44269504f, 12582912.0f);  // rounds to an integer
  const V n = shifted - 12582912.0f;
  const V r = fused(n, V{} + 2.12194440e-4f, fused(n, V{} - 0.693359375f, x));
  return {r, as_bits(shifted) - 0x4b400000u};
}
// e^r - 1 on [-ln 2 / 2, ln 2 / 2].
template <typename V>
TERSOR_MAP V expm1_reduced(V r) noexcept {
  V p = V{} + 1.39517175e-3f;
  p = fused(p, r, 8.36959863e-3f);
  p = fused(p, r, 4.16661873e-2f);
  p = fused(p, r, 1.66665129e-1f);
  p = fused(p, r, 0.5f);
  return fused(r * r, p, r);
}
template <typename V = float>
TERSOR_MAP V power_of_two(Bits<V> n) noexcept {
  return __builtin_bit_cast(V, (n + 127u) << 23);
}

TERSOR_MAP float exp_f(float x) noexcept {
  const Reduced<float> a = reduced(clamped(x, -104.0f, 89.0f));
  // In two steps: 2^128 is no float, and results below 2^-126 are subnormal.
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(a.n) >> 1);
  return (1.0f + expm1_reduced(a.r)) * power_of_two(half) * power_of_two(a.n - half);
}

// With one scaling, of x < 89: 0 below -88 or so, infinity above 88.4. As in `reduced`, but that n
// is 127 higher in the bits of `shifted`, where only the exponent of 2^n is left of it.
template <typename V, int kCount>
TERSOR_MAP void exp_from_below(V (&x)[kCount]) noexcept {
  // Step by step for all, so that none waits for its own last one.
  V shifted[kCount], r[kCount], s[kCount], low[kCount], high[kCount];
#define TERSOR_EACH _Pragma("GCC unroll 4") for (int i = 0; i < kCount; ++i)
  TERSOR_EACH x[i] = at_least(x[i], -88.0f);
  TERSOR_EACH shifted[i] = fused(x[i], V{} + 1.44269504f, 12583039.0f);
  TERSOR_EACH {
    const V n = shifted[i] - 12583039.0f;
    r[i] = fused(n, V{} + 2.12194440e-4f, fused(n, V{} - 0.693359375f, x[i]));
  }
  // The polynomial of expm1_reduced, in pairs of terms that do not wait for each other.
  TERSOR_EACH s[i] = r[i] * r[i];
  TERSOR_EACH low[i] = fused(r[i], V{} + 1.66665129e-1f, 0.5f);
  TERSOR_EACH high[i] = fused(r[i], V{} + 8.36959863e-3f, 4.16661873e-2f);
  TERSOR_EACH high[i] = fused(s[i], V{} + 1.39517175e-3f, high[i]);
  TERSOR_EACH high[i] = fused(high[i], s[i], low[i]);
  TERSOR_EACH high[i] = fused(high[i], s[i], 1.0f + r[i]);
  TERSOR_EACH x[i] = high[i] * __builtin_bit_cast(V, as_bits(shifted[i]) << 23);
#undef TERSOR_EACH
}
template <typename V>
TERSOR_MAP V exp_from_below(V x) noexcept {
  V one[1] = {x};
  exp_from_below(one);
  return one[0];
}
TERSOR_MAP float exp_quick(float x) noexcept { return exp_from_below(clamped(x, -88.0f, 89.0f)); }

TERSOR_MAP float expm1_f(float x) noexcept {
  const Reduced<float> a = reduced(clamped(x, -18.0f, 89.0f));
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(a.n) >> 1);
  const float first = power_of_two(half), second = power_of_two(a.n - half);
  const float y = (expm1_reduced(a.r) * first + (first - power_of_two(half - a.n))) * second;
  return y;
}

// ln(1 + f) on [sqrt(1/2) - 1, sqrt(2) - 1].
TERSOR_MAP float log1p_reduced(float f) noexcept {
  float p = -7.63443799e-2f;
  p = fused(p, f, 1.27615629e-1f);
  p = fused(p, f, -1.31601980e-1f);
  p = fused(p, f, 1.42017610e-1f);
  p = fused(p, f, -1.66233560e-1f);
  p = fused(p, f, 2.00012267e-1f);
  p = fused(p, f, -2.50008211e-1f);
  p = fused(p, f, 3.33333317e-1f);
  const float ff = f * f;
  return f - (0.5f * ff - f * ff * p);
}
// Positive normal numbers.
TERSOR_MAP float log_normal(float x) noexcept {
  const uint32_t b = as_bits(x) - 0x3f3504f3u;  // from sqrt(1/2)
  const int32_t n = static_cast<int32_t>(b) >> 23;
  const float m = as_float((b & 0x7fffffu) + 0x3f3504f3u);  // [sqrt(1/2), sqrt(2))
  const float e = static_cast<float>(n);
  return e * 0.693359375f + (log1p_reduced(m - 1.0f) - e * 2.12194440e-4f);
}
TERSOR_MAP float log_f(float x) noexcept {
  const bool small = x < 1.17549435e-38f;
  float y = log_normal(small ? x * 8388608.0f : x) - (small ? 15.9423847f : 0.0f);
  y = x < __builtin_inff() ? y : x;  // infinity and NaN
  y = x == 0.0f ? -__builtin_inff() : y;
  return x < 0.0f ? __builtin_nanf("") : y;
}
// 0 <= x <= 1: the error of 1 + x is made good.
TERSOR_MAP float log1p_f(float x) noexcept {
  const float u = 1.0f + x, rest = u - 1.0f;
  const float y = log_normal(u) * (x / (rest == 0.0f ? 1.0f : rest));
  return rest == 0.0f ? x : y;
}

// Odd functions that reach 1: of |x|, the sign comes back at the end. Bits of positive floats
// compare as integers, for which there is one instruction that does not ask for NaN.
TERSOR_MAP uint32_t least_bits(uint32_t a, uint32_t b) noexcept { return a < b ? a : b; }

// kReached: from where on 1 is the nearest float. f(v) for 0 <= v <= kReached may exceed 1 a
// little. A NaN gives 1 or -1.
template <typename F>
TERSOR_MAP float odd_to_one(float x, float reached, F f) noexcept {
  const uint32_t bits = as_bits(x), size = bits & 0x7fffffffu, end = as_bits(reached);
  const uint32_t y = least_bits(as_bits(f(as_float(least_bits(size, end)))), as_bits(1.0f));
  return as_float((size >= end ? as_bits(1.0f) : y) | (bits & 0x80000000u));
}
TERSOR_MAP float or_nan(float y, float x) noexcept { return x != x ? x : y; }

// A quotient of polynomials in x^2 times x.
TERSOR_MAP float tanh_number(float x) noexcept {
  return odd_to_one(x, 9.0f, [](float v) {
    const float s = v * v;
    float p = 1.33545471e-8f;
    p = fused(p, s, 2.06089969e-5f);
    p = fused(p, s, 3.49558287e-3f);
    p = fused(p, s, 1.33810212e-1f);
    p = fused(p, s, 1.0f);
    float q = 7.77651057e-7f;
    q = fused(q, s, 3.28562625e-4f);
    q = fused(q, s, 2.58769622e-2f);
    q = fused(q, s, 4.67143368e-1f);
    q = fused(q, s, 1.0f);
    return v * p / q;
  });
}
TERSOR_MAP float erf_number(float x) noexcept {
  return odd_to_one(x, 3.84f, [](float v) {
    const float s = v * v;
    float p = 2.08739404e-8f;
    p = fused(p, s, -1.98290830e-6f);
    p = fused(p, s, 1.37072427e-4f);
    p = fused(p, s, 3.42987564e-3f);
    p = fused(p, s, 4.96780090e-2f);
    p = fused(p, s, 1.93060093e-1f);
    p = fused(p, s, 1.12837912f);
    float q = 8.95812268e-4f;
    q = fused(q, s, 1.37830611e-2f);
    q = fused(q, s, 1.12175556e-1f);
    q = fused(q, s, 5.04427047e-1f);
    q = fused(q, s, 1.0f);
    return v * p / q;
  });
}
TERSOR_MAP float tanh_f(float x) noexcept { return or_nan(tanh_number(x), x); }
TERSOR_MAP float erf_f(float x) noexcept { return or_nan(erf_number(x), x); }

TERSOR_MAP float sigmoid_f(float x) noexcept { return 1.0f / (1.0f + exp_quick(0.0f - x)); }
TERSOR_MAP float softplus_f(float x) noexcept {
  const float v = x < 0.0f ? 0.0f : x;
  return v + log1p_f(exp_quick(0.0f - magnitude(x)));
}

#undef TERSOR_MAP
