// The loops of layernorm, for the compiler to vectorize. No include guard.
#include "kernels/loops/lanes-inl.h"

struct Sum {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return a + b;
  }
};
struct SumOfSquares {
  float mean;
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V x) const noexcept {
    const V d = x - mean;
    return a + d * d;
  }
};

// y = (x - mean) * inverse * gamma + beta. Without a mean, x - 0 is x.
struct Normalize {
  float mean, inverse;
  const float *gamma, *beta;  // or null

  template <bool kScales, bool kShifts>
  [[gnu::always_inline]] inline void run(const float* x, float* y, int64_t n) const noexcept {
    using L = Lanes<float, 64>;
    const float m = mean, factor = inverse;
    int64_t i = 0;
    L v, g, b;
    for (; i + 64 <= n; i += 64) {
      v.load(x + i);
      if (kScales) g.load(gamma + i);
      if (kShifts) b.load(beta + i);
#pragma GCC unroll 16
      for (int p = 0; p < L::kParts; ++p) {
        v.v[p] = (v.v[p] - m) * factor;
        if (kScales) v.v[p] *= g.v[p];
        if (kShifts) v.v[p] += b.v[p];
      }
      v.store(y + i);
    }
#pragma GCC ivdep
    for (; i < n; ++i) {
      float one = (x[i] - m) * factor;
      if (kScales) one *= gamma[i];
      if (kShifts) one += beta[i];
      y[i] = one;
    }
  }
  [[gnu::always_inline]] inline void operator()(const float* x, float* y,
                                                int64_t n) const noexcept {
    if (gamma && beta) return run<true, true>(x, y, n);
    if (gamma) return run<true, false>(x, y, n);
    if (beta) return run<false, true>(x, y, n);
    run<false, false>(x, y, n);
  }
};

[[gnu::always_inline]] inline Lanes<float, 16> sum(const float* x, int64_t n) noexcept {
  return fold_to_16(x, n, 0.0f, Sum{}, Sum{});
}

// A row is summed before the one above it is written, so that the ends of sums, whose steps wait
// for each other, have other work beside them.
template <bool kCentres>
void normalize(const Call& call, int64_t rows, int64_t n) noexcept {
  if (rows <= 0) return;
  const float count = static_cast<float>(n);
  const float* x = call.x;
  Lanes<float, 16> sums;
  Normalize f = {0.0f, 0.0f, call.gamma, kCentres ? call.beta : nullptr};
  if (kCentres) f.mean = fold16(sum(x, n), Sum{}) / count;
  for (int64_t r = 0; r < rows; ++r, x += n) {
    sums = fold_to_16(x, n, 0.0f, SumOfSquares{f.mean}, Sum{});
    f.inverse = 1.0f / __builtin_sqrtf(fold16(sums, Sum{}) / count + call.epsilon);
    if (call.mean) call.mean[r] = f.mean;
    if (call.inverse) call.inverse[r] = f.inverse;
    float next = 0.0f;
    if (kCentres && r + 1 < rows) next = fold16(sum(x + n, n), Sum{}) / count;
    f(x, call.y + r * n, n);
    f.mean = next;
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, normalize<true>, normalize<false>};
}
