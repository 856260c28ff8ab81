// The loops of layernorm, for the compiler to vectorize. No include guard.
#include "kernels/loops/lanes-inl.h"

struct Sum {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return a + b;
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

using Lanes16 = Lanes<float, 16>;

[[gnu::always_inline]] inline Lanes16 sum(const float* x, int64_t n) noexcept {
  const auto step = [=](auto lanes, int64_t i) __attribute__((always_inline)) {
    return lanes + load_as<decltype(lanes)>(x + i);
  };
  return fold_to_16(n, 0.0f, step, Sum{});
}
// Of the squares around the mean; fetches the elements from `next` on, too.
[[gnu::always_inline]] inline Lanes16 sum_of_squares(const float* x, float mean, int64_t n,
                                                     const float* next) noexcept {
  const auto step = [=](auto lanes, int64_t i) __attribute__((always_inline)) {
    if ((i & 15) == 0) __builtin_prefetch(next + i);  // a line of the cache
    const auto d = load_as<decltype(lanes)>(x + i) - mean;
    return lanes + d * d;
  };
  return fold_to_16(n, 0.0f, step, Sum{});
}

// Bytes of x and y that the second level of the cache may hold: there arithmetic bounds the sums of
// squares, fetching the sums. Beyond it memory bounds all, and fetches ahead by itself.
constexpr int64_t kNear = 1 << 20;

// A row is summed before the one above it is written, so that the ends of sums, whose steps wait
// for each other, have other work beside them.
template <bool kCentres>
void normalize(const Call& call, int64_t rows, int64_t n) noexcept {
  if (rows <= 0) return;
  const float count = static_cast<float>(n);
  const bool near = rows * n * static_cast<int64_t>(2 * sizeof(float)) <= kNear;
  const float* x = call.x;
  Normalize f = {0.0f, 0.0f, call.gamma, kCentres ? call.beta : nullptr};
  if (kCentres) f.mean = fold16(sum(x, n), Sum{}) / count;
  for (int64_t r = 0; r < rows; ++r, x += n) {
    const bool last = r + 1 == rows;
    const Lanes16 squares = sum_of_squares(x, f.mean, n, near && !last ? x + n : x);
    f.inverse = 1.0f / __builtin_sqrtf(fold16(squares, Sum{}) / count + call.epsilon);
    if (call.mean) call.mean[r] = f.mean;
    if (call.inverse) call.inverse[r] = f.inverse;
    const float next = kCentres && !last ? fold16(sum(x + n, n), Sum{}) / count : 0.0f;
    f(x, call.y + r * n, n);
    f.mean = next;
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, normalize<true>, normalize<false>};
}
