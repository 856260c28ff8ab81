// The loops of elementwise, for the compiler to vectorize. No include guard. Operands may be the
// same array as the result, element for element: ivdep says that nothing else overlaps.
#include "kernels/elementwise/math-inl.h"

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
  TERSOR_MAP(float a, float b) noexcept { return (a < b) | (a != a) ? a : b; }
};
struct Max {
  TERSOR_MAP(float a, float b) noexcept { return (a > b) | (a != a) ? a : b; }
};

template <typename F, Pattern kPattern, bool kClamps>
void binary_loop(const float* a, const float* b, float* y, int64_t n, Clamp clamp) noexcept {
  const float low = clamp.low, high = clamp.high;
  const float a0 = *a, b0 = *b;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float p = kPattern == Pattern::scalar_vector ? a0 : a[i];
    const float q = kPattern == Pattern::vector_scalar ? b0 : b[i];
    const float v = F::apply(p, q);
    y[i] = kClamps ? clamped(v, low, high) : v;
  }
}

template <typename F, Pattern kPattern>
void binary_run(const float* a, const float* b, float* y, int64_t n, Clamp clamp) noexcept {
  if (n <= 0) return;
  if (clamp.low == -__builtin_inff() && clamp.high == __builtin_inff())
    binary_loop<F, kPattern, false>(a, b, y, n, clamp);
  else
    binary_loop<F, kPattern, true>(a, b, y, n, clamp);
}

// y = f(x), clamped.
template <typename F>
[[gnu::always_inline]] inline void map_clamped(const float* x, float* y, int64_t n, Clamp clamp,
                                               F f) noexcept {
  const float low = clamp.low, high = clamp.high;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = clamped(f(x[i]), low, high);
}

template <Pattern kPattern>
void pow_run(const float* a, const float* b, float* y, int64_t n, Clamp clamp) noexcept {
  if (n <= 0) return;
  if (kPattern == Pattern::vector_scalar) {
    if (*b == 2.0f) return map_clamped(a, y, n, clamp, [](float v) { return v * v; });
    if (*b == 1.0f) return map_clamped(a, y, n, clamp, [](float v) { return v; });
    if (*b == -1.0f) return map_clamped(a, y, n, clamp, [](float v) { return 1.0f / v; });
    if (*b == 0.5f)  // +0 of -0, infinity of -infinity
      return map_clamped(a, y, n, clamp, [](float v) {
        return v == -__builtin_inff() ? __builtin_inff() : __builtin_sqrtf(v) + 0.0f;
      });
  }
  const float a0 = *a, b0 = *b;
  for (int64_t i = 0; i < n; ++i) {
    const float p = kPattern == Pattern::scalar_vector ? a0 : a[i];
    const float q = kPattern == Pattern::vector_scalar ? b0 : b[i];
    y[i] = clamped(__builtin_powf(p, q), clamp.low, clamp.high);
  }
}

struct Relu {
  TERSOR_MAP(float x, float, float) noexcept { return x < 0.0f ? 0.0f : x; }
};
struct LeakyRelu {
  TERSOR_MAP(float x, float alpha, float) noexcept { return x < 0.0f ? alpha * x : x; }
};
struct Clip {
  TERSOR_MAP(float x, float low, float high) noexcept { return clamped(x, low, high); }
};
struct Sigmoid {
  TERSOR_MAP(float x, float, float) noexcept { return sigmoid_f(x); }
};
struct Tanh {
  TERSOR_MAP(float x, float, float) noexcept { return tanh_f(x); }
};
struct Erf {
  TERSOR_MAP(float x, float, float) noexcept { return erf_f(x); }
};
struct Gelu {
  TERSOR_MAP(float x, float, float) noexcept {
    // A NaN comes back by the last product.
    return 0.5f * x * (1.0f + erf_number(x * 0.707106781f));
  }
};
struct GeluTanh {
  TERSOR_MAP(float x, float, float) noexcept {
    return 0.5f * x * (1.0f + tanh_number(0.797884561f * (x + 0.044715f * x * x * x)));
  }
};
struct Exp {
  TERSOR_MAP(float x, float, float) noexcept { return exp_f(x); }
};
struct Log {
  TERSOR_MAP(float x, float, float) noexcept { return log_f(x); }
};
struct Sqrt {
  TERSOR_MAP(float x, float, float) noexcept { return __builtin_sqrtf(x); }
};
struct Reciprocal {
  TERSOR_MAP(float x, float, float) noexcept { return 1.0f / x; }
};
struct HardSigmoid {
  TERSOR_MAP(float x, float alpha, float beta) noexcept {
    return clamped(alpha * x + beta, 0.0f, 1.0f);
  }
};
struct HardSwish {
  TERSOR_MAP(float x, float, float) noexcept { return x * clamped(x / 6.0f + 0.5f, 0.0f, 1.0f); }
};
struct Softplus {
  TERSOR_MAP(float x, float, float) noexcept { return softplus_f(x); }
};
struct Silu {
  TERSOR_MAP(float x, float alpha, float) noexcept { return x * sigmoid_f(alpha * x); }
};
struct Neg {
  TERSOR_MAP(float x, float, float) noexcept { return -x; }
};
struct Abs {
  TERSOR_MAP(float x, float, float) noexcept { return magnitude(x); }
};
// |x| < 2^23 is rounded by adding and subtracting 2^23 of its sign; larger numbers are integers.
struct Round {
  TERSOR_MAP(float x, float, float) noexcept {
    const float t = magnitude(x);
    const float rounded = (t + 8388608.0f) - 8388608.0f;
    return with_sign(t < 8388608.0f ? rounded : t, x);
  }
};
struct Floor {
  TERSOR_MAP(float x, float, float) noexcept {
    const float r = Round::apply(x, 0, 0);
    return with_sign(magnitude(r > x ? r - 1.0f : r), x);
  }
};
struct Ceil {
  TERSOR_MAP(float x, float, float) noexcept {
    const float r = Round::apply(x, 0, 0);
    return with_sign(magnitude(r < x ? r + 1.0f : r), x);
  }
};
struct Elu {
  TERSOR_MAP(float x, float alpha, float) noexcept { return x < 0.0f ? alpha * expm1_f(x) : x; }
};
struct Mish {
  TERSOR_MAP(float x, float, float) noexcept { return x * tanh_f(softplus_f(x)); }
};
#undef TERSOR_MAP

template <typename F>
void unary_run(const float* x, float* y, int64_t n, Arguments arguments) noexcept {
  const float alpha = arguments.alpha, beta = arguments.beta;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = F::apply(x[i], alpha, beta);
}

constexpr Table make_table(base::Isa isa) noexcept {
  using P = Pattern;
  constexpr P kVv = P::vector_vector, kVs = P::vector_scalar, kSv = P::scalar_vector;
  return {isa,
          {{binary_run<Add, kVv>, binary_run<Add, kVs>, binary_run<Add, kSv>},
           {binary_run<Sub, kVv>, binary_run<Sub, kVs>, binary_run<Sub, kSv>},
           {binary_run<Mul, kVv>, binary_run<Mul, kVs>, binary_run<Mul, kSv>},
           {binary_run<Div, kVv>, binary_run<Div, kVs>, binary_run<Div, kSv>},
           {binary_run<Min, kVv>, binary_run<Min, kVs>, binary_run<Min, kSv>},
           {binary_run<Max, kVv>, binary_run<Max, kVs>, binary_run<Max, kSv>},
           {pow_run<kVv>, pow_run<kVs>, pow_run<kSv>}},
          {unary_run<Relu>,        unary_run<LeakyRelu>, unary_run<Clip>,     unary_run<Sigmoid>,
           unary_run<Tanh>,        unary_run<Erf>,       unary_run<Gelu>,     unary_run<GeluTanh>,
           unary_run<Exp>,         unary_run<Log>,       unary_run<Sqrt>,     unary_run<Reciprocal>,
           unary_run<HardSigmoid>, unary_run<HardSwish>, unary_run<Softplus>, unary_run<Silu>,
           unary_run<Neg>,         unary_run<Abs>,       unary_run<Floor>,    unary_run<Ceil>,
           unary_run<Round>,       unary_run<Elu>,       unary_run<Mish>}};
}
