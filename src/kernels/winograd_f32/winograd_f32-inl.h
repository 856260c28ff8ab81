// The three steps of winograd_f32 over the vector language. Included inside the target region and
// the namespace of one ISA. No include guard.

template <typename S>
[[gnu::always_inline]] inline typename S::f32 minus(typename S::f32 a, typename S::f32 b) noexcept {
  return S::fmadd(b, S::set(-1.0f), a);
}

// Six values times B; in order of the points 0, 2, 1, -1, -1/2, infinity.
template <typename S>
[[gnu::always_inline]] inline void times_b(const typename S::f32 (&d)[6],
                                           typename S::f32 (&r)[6]) noexcept {
  using F = typename S::f32;
  const F two = S::set(2.0f), three = S::set(3.0f);
  const F d42 = minus<S>(d[4], d[2]), d31 = minus<S>(d[3], d[1]);
  const F d02 = minus<S>(d[0], d[2]), d53 = minus<S>(d[5], d[3]);
  r[0] = S::fmadd(two, S::add(d02, d42), S::mul(S::set(-3.0f), d31));
  r[5] = S::fmadd(two, minus<S>(d53, d31), S::mul(S::set(-3.0f), d42));
  r[1] = S::fmadd(two, d42, d31);
  r[4] = S::fmadd(S::set(-2.0f), d31, d42);
  // 2 (d4 - d2) - (d3 - d1) - 3 (d2 + d1)  and  2 (d4 - d3) + 2 d1 - 3 d3 + d2
  r[2] = S::fmadd(S::set(-3.0f), S::add(d[2], d[1]), minus<S>(S::mul(two, d42), d31));
  r[3] = S::fmadd(three, minus<S>(d[2], d[3]), S::mul(two, minus<S>(d42, d31)));
}

// G, the factors of the inverse in it, is a matrix of small integers whose lines have these
// factors.
constexpr float kLineFactors[6] = {0.5f, 1.0f / 30, -1.0f / 6, 1.0f / 6, 1.0f / 30, 0.5f};

// Three weights times line kLine of the integers.
template <typename S, int kLine>
[[gnu::always_inline]] inline typename S::f32 line_of_g(const typename S::f32 (&g)[3]) noexcept {
  const auto two = S::set(2.0f), four = S::set(4.0f);
  if constexpr (kLine == 0) return g[0];
  if constexpr (kLine == 1) return S::fmadd(four, g[2], S::fmadd(two, g[1], g[0]));
  if constexpr (kLine == 2) return S::add(S::add(g[0], g[2]), g[1]);
  if constexpr (kLine == 3) return minus<S>(S::add(g[0], g[2]), g[1]);
  if constexpr (kLine == 4) return S::fmadd(S::set(-4.0f), g[0], minus<S>(S::mul(two, g[1]), g[2]));
  return g[2];
}

// Three weights times all lines and a factor.
template <typename S>
[[gnu::always_inline]] inline void times_g(const typename S::f32 (&g)[3], float factor,
                                           typename S::f32 (&r)[6]) noexcept {
  using F = typename S::f32;
  const float thirtieth = factor * kLineFactors[1], sixth = factor * kLineFactors[3];
  r[0] = S::mul(S::set(factor * kLineFactors[0]), g[0]);
  r[5] = S::mul(S::set(factor * kLineFactors[5]), g[2]);
  const F middle = S::mul(S::set(2 * thirtieth), g[1]);
  r[1] = S::fmadd(S::set(4 * thirtieth), g[2], S::fmadd(S::set(thirtieth), g[0], middle));
  r[4] = S::fmadd(S::set(-4 * thirtieth), g[0], S::fmadd(S::set(-thirtieth), g[2], middle));
  const F outer = S::add(g[0], g[2]), less = S::mul(S::set(-sixth), g[1]);
  r[2] = S::fmadd(S::set(-sixth), outer, less);
  r[3] = S::fmadd(S::set(sixth), outer, less);
}

// Six sums times A: four outputs.
template <typename S>
[[gnu::always_inline]] inline void times_a(const typename S::f32 (&m)[6],
                                           typename S::f32 (&y)[4]) noexcept {
  using F = typename S::f32;
  const F two = S::set(2.0f), four = S::set(4.0f), eight = S::set(8.0f);
  const F sum = S::add(m[2], m[3]), difference = minus<S>(m[2], m[3]);
  y[0] = S::fmadd(eight, m[4], S::add(S::add(m[0], m[1]), sum));
  y[1] = S::fmadd(S::set(-4.0f), m[4], S::fmadd(two, m[1], difference));
  y[2] = S::fmadd(two, m[4], S::fmadd(four, m[1], sum));
  y[3] = S::fmadd(eight, m[1], S::add(difference, minus<S>(m[5], m[4])));
}

#include "kernels/winograd/float_tiles-inl.h"

template <typename S>
void transform(const WinogradF32Block& b) noexcept {
  with_elements(b.call->a_type, b.call->a.data, [&](const auto* x) {
    transform_pixels<S, 4>(b.call->a, x, b.tiles, b.inputs, b.pitch(), b.input_stride());
  });
}

// Line kLine of the transformed 6 x 6 of packed weights of `channels` channels: to
// [6][channels][nr], the 6 with gaps.
template <typename S, int kVecs, int kLine>
void transform_weights(const float* from, int64_t channels, float* to) noexcept {
  using F = typename S::f32;
  constexpr int kWidth = kVecs * S::kLanes;
  const int64_t stride = channels * kWidth + WinogradF32Block::kGap;
  for (int64_t c = 0; c < channels; ++c, from += 9 * kWidth, to += kWidth)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) {
      F half[3], r[6];
#pragma GCC unroll 3
      for (int x = 0; x < 3; ++x) {
        F g[3];
#pragma GCC unroll 3
        for (int y = 0; y < 3; ++y) g[y] = S::load(from + (y * 3 + x) * kWidth + v * S::kLanes);
        half[x] = line_of_g<S, kLine>(g);
      }
      times_g<S>(half, kLineFactors[kLine], r);
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) S::store(to + x * stride + v * S::kLanes, r[x]);
    }
}

// Adds kRows rows of `a`, `stride` apart, times weights of `channels` channels to `out`, or puts
// them there.
template <typename S, int kVecs, int kRows>
void multiply(const float* a, int64_t stride, const float* b, int64_t channels, bool add,
              float* out) noexcept {
  using F = typename S::f32;
  constexpr int kLanes = S::kLanes;
  F acc[kRows][kVecs];
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v)
      acc[m][v] = add ? S::load(out + (m * kVecs + v) * kLanes) : S::set(0.0f);
  for (int64_t k = 0; k < channels; ++k, ++a, b += kVecs * kLanes) {
    // A line of the cache of each row of the next call, which are too short for the hardware.
    if ((k & 15) == 0)
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) __builtin_prefetch(a + (m + kRows) * stride);
    F column[kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) column[v] = S::load(b + v * kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const F x = S::set(a[m * stride]);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) acc[m][v] = S::fmadd(x, column[v], acc[m][v]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) S::store(out + (m * kVecs + v) * kLanes, S::keep(acc[m][v]));
}

// The products of line kLine of the transformed tiles with a panel, over a chunk of channels.
template <typename S, int kMr, int kVecs, int kLine, size_t... kIndex>
void multiply_line(const WinogradF32Block& b, int64_t panel, Range chunk,
                   std::index_sequence<kIndex...>) noexcept {
  using Function = void (*)(const float*, int64_t, const float*, int64_t, bool, float*) noexcept;
  static constexpr Function kMultiply[kMr] = {multiply<S, kVecs, static_cast<int>(kIndex) + 1>...};
  constexpr int kWidth = kVecs * S::kLanes;
  const WinogradF32Weights& w = *b.weights;
  const int64_t tiles = b.tiles.size(), parts = (tiles + kMr - 1) / kMr, size = chunk.size();
  const int64_t pitch = b.pitch();
  transform_weights<S, kVecs, kLine>(w.data + (panel * w.c + chunk.begin) * 9 * kWidth, size,
                                     b.transformed);
  for (int64_t x = 0; x < 6; ++x) {
    const float* a = b.inputs + (kLine * 6 + x) * b.input_stride() + chunk.begin;
    const float* weights = b.transformed + x * (size * kWidth + b.kGap);
    float* out = b.outputs + (kLine * 6 + x) * (tiles * kWidth + b.kGap);
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = tiles * part / parts, end = tiles * (part + 1) / parts;
      kMultiply[end - begin - 1](a + begin * pitch, pitch, weights, size, chunk.begin > 0,
                                 out + begin * kWidth);
    }
  }
}

template <typename S, int kMr, int kVecs, size_t... kLine>
void multiply_all(const WinogradF32Block& b, int64_t panel, Range chunk,
                  std::index_sequence<kLine...>) noexcept {
  (multiply_line<S, kMr, kVecs, kLine>(b, panel, chunk, std::make_index_sequence<kMr>()), ...);
}

template <typename S, int kMr, int kVecs>
void panel(const WinogradF32Block& b, int64_t panel) noexcept {
  const WinogradF32Weights& w = *b.weights;
  for (int64_t c = 0; c < w.c; c += b.chunk)
    multiply_all<S, kMr, kVecs>(b, panel, {c, c + b.chunk < w.c ? c + b.chunk : w.c},
                                std::make_index_sequence<6>());
  constexpr int kWidth = kVecs * S::kLanes;
  with_elements(b.call->type, b.call->out, [&](auto* out) {
    restore_tiles<S, 4>(*b.call, out, b.tiles, b.outputs, kWidth, b.tiles.size() * kWidth + b.kGap,
                        panel * kWidth, w.n);
  });
}
