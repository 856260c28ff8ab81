// The three steps of winograd over the vector language. Included inside the target region and the
// namespace of one ISA. No include guard.

#include "kernels/gemm_u8s8/epilogue-inl.h"

// Six values times B of winograd.h; in order of the points 0, 2, 1, -1, -1/2, infinity.
template <typename S>
[[gnu::always_inline]] inline void times_b(const typename S::s16 (&d)[6],
                                           typename S::s16 (&r)[6]) noexcept {
  using W = typename S::s16;
  const auto twice = [](W x) { return S::template shift_left<1>(x); };
  const W d42 = S::sub(d[4], d[2]), d31 = S::sub(d[3], d[1]);
  const W d02 = S::sub(d[0], d[2]), d53 = S::sub(d[5], d[3]);
  // 2 d0 + 3 d1 - 4 d2 - 3 d3 + 2 d4, and the same one further.
  r[0] = S::sub(S::sub(twice(S::add(d02, d42)), twice(d31)), d31);
  r[5] = S::sub(S::sub(twice(S::sub(d53, d31)), twice(d42)), d42);
  // 2 (d4 - d2) + (d3 - d1)
  r[1] = S::add(twice(d42), d31);
  // (d4 - d2) - 2 (d3 - d1)
  r[4] = S::sub(d42, twice(d31));
  // 2 d4 - d3 - 5 d2 - 2 d1  and  2 d4 - 5 d3 + d2 + 2 d1
  const W d1_2 = twice(d[1]), d2_4 = twice(twice(d[2])), d3_4 = twice(twice(d[3]));
  const W d4_2 = twice(d[4]);
  r[2] = S::sub(S::sub(S::sub(d4_2, d2_4), S::add(d[2], d[3])), d1_2);
  r[3] = S::add(S::sub(S::sub(d4_2, d3_4), S::sub(d[3], d[2])), d1_2);
}

// Six sums times A: four outputs.
template <typename S>
[[gnu::always_inline]] inline void times_a(const typename S::s32 (&m)[6],
                                           typename S::s32 (&y)[4]) noexcept {
  using I = typename S::s32;
  const auto five = [](I x) { return S::add(S::template shift_left<2>(x), x); };
  const auto fifteen = [](I x) { return S::sub(S::template shift_left<4>(x), x); };
  const I sum = five(S::sub(m[3], m[2])), difference = five(S::add(m[2], m[3]));
  const I two = S::template shift_left<1>(m[1]), half = S::template shift_left<1>(m[4]);
  y[0] = S::add(S::add(S::add(fifteen(m[0]), m[1]), sum), S::template shift_left<2>(half));
  y[1] = S::sub(S::sub(two, S::template shift_left<1>(half)), difference);
  y[2] = S::add(S::add(S::template shift_left<1>(two), half), sum);
  y[3] = S::add(S::sub(S::template shift_left<2>(two), difference), S::sub(fifteen(m[5]), m[4]));
}

// kWhole: all channels of the vector exist.
template <typename S, bool kFlip, bool kWhole>
void transform_channels(const uint8_t* const (&pixels)[36], int64_t c, int left, int16_t* to,
                        int64_t stride) noexcept {
  using W = typename S::s16;
  const W flip = S::set_words(0x80);
  W half[6][6];
#pragma GCC unroll 6
  for (int x = 0; x < 6; ++x) {
    W d[6], r[6];
#pragma GCC unroll 6
    for (int y = 0; y < 6; ++y) {
      const uint8_t* p = pixels[y * 6 + x] + c;
      d[y] = kWhole ? S::load_widened(p) : S::load_widened_partial(p, left);
      if constexpr (kFlip) d[y] = S::bit_xor(d[y], flip);
    }
    times_b<S>(d, r);
#pragma GCC unroll 6
    for (int y = 0; y < 6; ++y) half[y][x] = r[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < 6; ++y) {
    W r[6];
    times_b<S>(half[y], r);
#pragma GCC unroll 6
    for (int x = 0; x < 6; ++x) S::store(to + (y * 6 + x) * stride + c, r[x]);
  }
}

template <typename S, bool kFlip>
void transform_tiles(const WinogradBlock& b) noexcept {
  constexpr int kChannels = 2 * S::kLanes;
  const ConvShape& s = *b.call->a.conv;
  const auto* data = static_cast<const uint8_t*>(b.call->a.data);
  const auto* padding = static_cast<const uint8_t*>(b.call->a.padding);
  const int64_t width = b.weights->padded_c();
  for (int64_t i = b.tiles.begin; i < b.tiles.end; ++i) {
    const uint8_t* pixels[36];
    TileAt<4>(s, i).template pixels<6>(s, data, padding, pixels);
    int16_t* to = b.inputs + (i - b.tiles.begin) * width;
    const int64_t stride = b.tiles.size() * width + b.kGap;
    int64_t c = 0;
    for (; c + kChannels <= s.c; c += kChannels)
      transform_channels<S, kFlip, true>(pixels, c, kChannels, to, stride);
    if (c < s.c)
      transform_channels<S, kFlip, false>(pixels, c, static_cast<int>(s.c - c), to, stride);
  }
}

template <typename S>
void transform(const WinogradBlock& b) noexcept {
  b.call->a_signed ? transform_tiles<S, true>(b) : transform_tiles<S, false>(b);
}

// Three weights times G of winograd.h; the same order of points.
template <typename S>
[[gnu::always_inline]] inline void times_g(const typename S::s16 (&g)[3],
                                           typename S::s16 (&r)[6]) noexcept {
  using W = typename S::s16;
  const W b2 = S::template shift_left<1>(g[1]), outer = S::add(g[0], g[2]);
  r[0] = g[0];
  r[5] = g[2];
  r[1] = S::add(S::add(g[0], b2), S::template shift_left<2>(g[2]));
  r[4] = S::sub(S::sub(b2, S::template shift_left<2>(g[0])), g[2]);
  r[2] = S::add(outer, g[1]);
  r[3] = S::sub(outer, g[1]);
}

// Lines kFirst to kFirst + kLines of the transformed 6 x 6 of packed weights, `pairs` pairs of
// channels, 9 times nr pairs of int8 each: to [kLines * 6][pairs][nr][2], the first with gaps.
template <typename S, int kVecs, int kFirst, int kLines>
void transform_weights(const int8_t* from, int64_t pairs, int16_t* to) noexcept {
  using W = typename S::s16;
  constexpr int kWords = 2 * S::kLanes;
  const int64_t stride = pairs * kVecs * kWords + WinogradBlock::kGap;
  for (int64_t c = 0; c < pairs; ++c, from += 9 * kVecs * kWords, to += kVecs * kWords)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) {
      W half[kLines][3];
#pragma GCC unroll 3
      for (int x = 0; x < 3; ++x) {
        W g[3], all[6];
#pragma GCC unroll 3
        for (int y = 0; y < 3; ++y)
          g[y] = S::load_widened(from + ((y * 3 + x) * kVecs + v) * kWords);
        times_g<S>(g, all);
#pragma GCC unroll 6
        for (int i = 0; i < kLines; ++i) half[i][x] = all[kFirst + i];
      }
#pragma GCC unroll 6
      for (int i = 0; i < kLines; ++i) {
        W r[6];
        times_g<S>(half[i], r);
#pragma GCC unroll 6
        for (int x = 0; x < 6; ++x) S::store(to + (i * 6 + x) * stride + v * kWords, r[x]);
      }
    }
}

// Adds kRows rows of `a`, `stride` words apart, times weights of `pairs` pairs of channels to
// `out`, or puts them there.
template <typename S, int kVecs, int kRows>
void multiply(const int16_t* a, int64_t stride, const int16_t* b, int64_t pairs, bool add,
              int32_t* out) noexcept {
  using I = typename S::s32;
  using W = typename S::s16;
  constexpr int kLanes = S::kLanes;
  I acc[kRows][kVecs];
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v)
      acc[m][v] = add ? S::load(out + (m * kVecs + v) * kLanes) : S::set(int32_t{0});
#pragma GCC unroll 2
  for (int64_t k = 0; k < pairs; ++k, a += 2, b += kVecs * kLanes * 2) {
    W column[kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) column[v] = S::load_words(b + v * kLanes * 2);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const W x = S::load_pair(a + m * stride);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) acc[m][v] = S::dot2(acc[m][v], x, column[v]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) S::store(out + (m * kVecs + v) * kLanes, S::keep(acc[m][v]));
}

// The 4 x 4 results of one tile from its 36 products, one vector of columns.
template <typename S, int kVecs>
void transform_back(const int32_t* products, int64_t stride, typename S::s32 bias,
                    int32_t* sums) noexcept {
  using I = typename S::s32;
  constexpr int kWidth = kVecs * S::kLanes;
  const I inverse = S::set(static_cast<int32_t>(2271560481u));  // 225 times it is 1 modulo 2^32
  I half[4][6];
#pragma GCC unroll 6
  for (int x = 0; x < 6; ++x) {
    I m[6], y[4];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) m[i] = S::load(products + (i * 6 + x) * stride);
    times_a<S>(m, y);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) half[i][x] = y[i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    I y[4];
    times_a<S>(half[i], y);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      S::store(sums + (i * 4 + j) * kWidth,
               S::add(S::template shift_right<2>(S::mul(y[j], inverse)), bias));
  }
}

// The products of some lines of the transformed tiles with a panel, over a chunk of channels.
template <typename S, int kMr, int kVecs, int kFirst, int kLines, size_t... kIndex>
void multiply_lines(const WinogradBlock& b, int64_t panel, Range chunk,
                    std::index_sequence<kIndex...>) noexcept {
  using Function =
      void (*)(const int16_t*, int64_t, const int16_t*, int64_t, bool, int32_t*) noexcept;
  static constexpr Function kMultiply[kMr] = {multiply<S, kVecs, static_cast<int>(kIndex) + 1>...};
  constexpr int kWidth = kVecs * S::kLanes;
  const WinogradWeights& w = *b.weights;
  const int64_t tiles = b.tiles.size(), width = w.padded_c(), parts = (tiles + kMr - 1) / kMr;
  const int64_t pairs = chunk.size() / 2, bytes = chunk.size() * 9 * kWidth;
  const int8_t* from = w.data + (panel * width + chunk.begin) * 9 * kWidth;
  transform_weights<S, kVecs, kFirst, kLines>(from, pairs, b.transformed);
  for (int64_t x = 0; x < kLines * 6; ++x) {
    // A part of the next weights, which transform_weights would wait for.
    const int64_t step = kFirst * 6 + x;
    for (int64_t i = bytes * step / 36; i < bytes * (step + 1) / 36; i += 64)
      __builtin_prefetch(from + bytes + i, 0, 2);
    const int16_t* a = b.inputs + (kFirst * 6 + x) * (tiles * width + b.kGap) + chunk.begin;
    const int16_t* weights = b.transformed + x * (pairs * 2 * kWidth + b.kGap);
    int32_t* out = b.outputs + (kFirst * 6 + x) * (tiles * kWidth + b.kGap);
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = tiles * part / parts, end = tiles * (part + 1) / parts;
      kMultiply[end - begin - 1](a + begin * width, width, weights, pairs, chunk.begin > 0,
                                 out + begin * kWidth);
    }
  }
}

template <typename S, int kMr, int kVecs, int kLines, size_t... kStep>
void multiply_all(const WinogradBlock& b, int64_t panel, Range chunk,
                  std::index_sequence<kStep...>) noexcept {
  (multiply_lines<S, kMr, kVecs, kStep * kLines, kLines>(b, panel, chunk,
                                                         std::make_index_sequence<kMr>()),
   ...);
}

// kLines: lines of the 6 x 6 whose weights are transformed at a time.
template <typename S, int kMr, int kVecs, int kLines>
void panel(const WinogradBlock& b, int64_t panel) noexcept {
  constexpr int kWidth = kVecs * S::kLanes;
  const WinogradWeights& w = *b.weights;
  for (int64_t c = 0; c < w.padded_c(); c += b.chunk)
    multiply_all<S, kMr, kVecs, kLines>(
        b, panel, {c, c + b.chunk < w.padded_c() ? c + b.chunk : w.padded_c()},
        std::make_index_sequence<6 / kLines>());
  const int64_t tiles = b.tiles.size(), stride = tiles * kWidth + b.kGap;
  const ConvShape& s = *b.call->a.conv;
  const GemmU8S8Epilogue& e = b.call->epilogue;
  const int element = element_bytes(e.kind);
  GemmU8S8Tile t{};
  t.n0 = panel * kWidth;
  t.cols = static_cast<int>(w.n - t.n0 < kWidth ? w.n - t.n0 : kWidth);
  t.out_stride = b.call->out_stride;
  t.epilogue = &e;
  alignas(64) int32_t sums[16 * kWidth];
  typename S::s32 bias[kVecs];
#pragma GCC unroll 2
  for (int v = 0; v < kVecs; ++v) bias[v] = bias_of<S>(t, v);
  for (int64_t i = 0; i < tiles; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v)
      transform_back<S, kVecs>(b.outputs + i * kWidth + v * S::kLanes, stride, bias[v],
                               sums + v * S::kLanes);
    const int64_t tile = b.tiles.begin + i;
    const TileAt<4> at(s, tile);
    const int columns = static_cast<int>(s.ow - at.ox < 4 ? s.ow - at.ox : 4);
    for (int64_t y = 0; y < 4 && at.oy + y < s.oh; ++y) {
      const int64_t pixel = at.pixel(s) + y * s.ow;
      t.out = static_cast<char*>(b.call->out) + (pixel * t.out_stride + t.n0) * element;
      t.residual = e.residual ? e.residual + pixel * e.residual_stride + t.n0 : nullptr;
      finish<S, kVecs>(t, columns, sums + y * 4 * kWidth);
    }
  }
}
