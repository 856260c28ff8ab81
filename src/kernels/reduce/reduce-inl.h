// The loops of reduce. No include guard. A step takes the accumulator and an element, a join two
// accumulators; both work on scalars and on vectors.
#include "kernels/loops/lanes-inl.h"

#define TERSOR_STEP     \
  template <typename V> \
  [[gnu::always_inline]] static inline V
struct Sum {
  static constexpr float kStart = 0.0f;
  TERSOR_STEP step(V a, V x) noexcept { return a + x; }
  TERSOR_STEP join(V a, V b) noexcept { return a + b; }
  static float finish(float a, float) noexcept { return a; }
};
struct Mean : Sum {
  static float finish(float a, float n) noexcept { return a / n; }
};
struct SumSquares : Sum {
  TERSOR_STEP step(V a, V x) noexcept { return a + x * x; }
};
struct SumMagnitudes : Sum {
  TERSOR_STEP step(V a, V x) noexcept { return a + (x < 0.0f ? -x : x); }
};
struct Product {
  static constexpr float kStart = 1.0f;
  TERSOR_STEP step(V a, V x) noexcept { return a * x; }
  TERSOR_STEP join(V a, V b) noexcept { return a * b; }
  static float finish(float a, float) noexcept { return a; }
};
// The first comparison keeps b if it is NaN, the second a.
struct Max {
  static constexpr float kStart = -__builtin_inff();
  TERSOR_STEP step(V a, V b) noexcept {
    const V c = a > b ? a : b;
    return a == a ? c : a;
  }
  TERSOR_STEP join(V a, V b) noexcept { return step(a, b); }
  static float finish(float a, float) noexcept { return a; }
};
struct Min {
  static constexpr float kStart = __builtin_inff();
  TERSOR_STEP step(V a, V b) noexcept {
    const V c = a < b ? a : b;
    return a == a ? c : a;
  }
  TERSOR_STEP join(V a, V b) noexcept { return step(a, b); }
  static float finish(float a, float) noexcept { return a; }
};
#undef TERSOR_STEP

template <typename F>
struct Step {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V x) const noexcept {
    return F::step(a, x);
  }
};

template <typename F>
[[gnu::always_inline]] inline float along(const float* x, int64_t n) noexcept {
  float lanes[16];
  for (float& l : lanes) l = F::kStart;
  fold_lanes(x, n, lanes, Step<F>{}, Step<F>{});
  return fold16(lanes, [](float a, float b) { return F::join(a, b); });
}

template <typename F, int kCount>
[[gnu::always_inline]] inline void across(const float* x, float* y, int64_t length, int64_t stride,
                                          float count) noexcept {
  using L = Lanes<float, kCount>;
  L acc, row;
  acc.set(F::kStart);
  for (int64_t l = 0; l < length; ++l) {
    row.load(x + l * stride);
#pragma GCC unroll 16
    for (int p = 0; p < L::kParts; ++p) acc.v[p] = F::step(acc.v[p], row.v[p]);
  }
  acc.store(y);
  for (int i = 0; i < kCount; ++i) y[i] = F::finish(y[i], count);
}

template <typename F>
void reduce(const float* x, float* y, const Shape& s) noexcept {
  const float count = static_cast<float>(s.length);
  for (int64_t o = 0; o < s.outer; ++o) {
    const float* from = x + o * s.x_outer;
    float* to = y + o * s.y_outer;
    if (s.inner == 1 && s.x_stride == 1) {
      *to = F::finish(along<F>(from, s.length), count);
      continue;
    }
    int64_t i = 0;
    for (; i + 64 <= s.inner; i += 64) across<F, 64>(from + i, to + i, s.length, s.x_stride, count);
    for (; i + 16 <= s.inner; i += 16) across<F, 16>(from + i, to + i, s.length, s.x_stride, count);
    for (; i < s.inner; ++i) {
      float a = F::kStart;
      for (int64_t l = 0; l < s.length; ++l) a = F::step(a, from[i + l * s.x_stride]);
      to[i] = F::finish(a, count);
    }
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa,
          {reduce<Sum>, reduce<Mean>, reduce<Max>, reduce<Min>, reduce<SumSquares>,
           reduce<SumMagnitudes>, reduce<Product>}};
}
