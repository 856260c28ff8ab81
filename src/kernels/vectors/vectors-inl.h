// The loops of vectors. No include guard.
#include "kernels/loops/lanes-inl.h"

float dot(const float* x, const float* y, int64_t n) noexcept {
  constexpr int kLanes = 64;
  using L = Lanes<float, kLanes>;
  L sums, a, b;
  sums.set(0.0f);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    a.load(x + i);
    b.load(y + i);
#pragma GCC unroll 16
    for (int p = 0; p < L::kParts; ++p) sums.v[p] += a.v[p] * b.v[p];
  }
  float lanes[kLanes];
  sums.store(lanes);
  for (int j = 0; i < n; ++i, ++j) lanes[j] += x[i] * y[i];
  for (int step = kLanes / 2; step > 0; step /= 2)
    for (int j = 0; j < step; ++j) lanes[j] += lanes[j + step];
  return lanes[0];
}

void subtract(float a, const float* x, float* y, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] -= a * x[i];
}

void outer(const float* x, const float* y, int64_t rows, int64_t stride, float* sums) noexcept {
  using L = Lanes<float, kOuterColumns>;
  L acc[kOuterRows], part;
#pragma GCC unroll 4
  for (L& a : acc) a.set(0.0f);
  for (int64_t r = 0; r < rows; ++r, x += stride, y += stride) {
    part.load(y);
#pragma GCC unroll 4
    for (int i = 0; i < kOuterRows; ++i)
#pragma GCC unroll 16
      for (int p = 0; p < L::kParts; ++p) acc[i].v[p] += x[i] * part.v[p];
  }
#pragma GCC unroll 4
  for (int i = 0; i < kOuterRows; ++i) acc[i].store(sums + i * kOuterColumns);
}

constexpr Table make_table(base::Isa isa) noexcept { return {isa, dot, subtract, outer}; }
