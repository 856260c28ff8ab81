// Pixels in and results out of the float Winograd forms F(kOut x kOut, 3x3), over the vector
// language. Included inside the target region and the namespace of one ISA, after `times_b` of kIn
// = kOut + 2 vectors and `times_a` of as many to kOut. No include guard.

// One vector of channels of a tile. kWhole: all of them exist.
template <typename S, bool kWhole, int kIn, typename T, typename To>
[[gnu::always_inline]] inline void transform_channels(const T* const* pixels, int64_t c, int left,
                                                      To* to, int64_t stride) noexcept {
  using F = typename S::f32;
  F half[kIn][kIn];
#pragma GCC unroll 6
  for (int x = 0; x < kIn; ++x) {
    F d[kIn], r[kIn];
#pragma GCC unroll 6
    for (int y = 0; y < kIn; ++y) {
      const T* p = pixels[y * kIn + x] + c;
      d[y] = kWhole ? S::load(p) : S::load_partial(p, left);
    }
    times_b<S>(d, r);
#pragma GCC unroll 6
    for (int y = 0; y < kIn; ++y) half[y][x] = r[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < kIn; ++y) {
    F r[kIn];
    times_b<S>(half[y], r);
#pragma GCC unroll 6
    for (int x = 0; x < kIn; ++x) {
      To* at = to + (y * kIn + x) * stride + c;
      if constexpr (kWhole)
        S::store(at, r[x]);
      else
        S::store_partial(at, r[x], left);
    }
  }
}

// The pixels under `tiles` to inputs [kIn * kIn][tiles][c], the first `stride` apart, the second
// `pitch`.
template <typename S, int kOut, typename T, typename To>
void transform_pixels(const RowSource& a, const T* data, Range tiles, To* inputs, int64_t pitch,
                      int64_t stride) noexcept {
  constexpr int kIn = kOut + 2;
  const ConvShape& s = *a.conv;
  const auto* padding = static_cast<const T*>(a.padding);
  for (int64_t i = tiles.begin; i < tiles.end; ++i, inputs += pitch) {
    const T* pixels[kIn * kIn];
    TileAt<kOut>(s, i).template pixels<kIn>(s, data, padding, pixels);
    int64_t c = 0;
    for (; c + S::kLanes <= s.c; c += S::kLanes)
      transform_channels<S, true, kIn>(pixels, c, S::kLanes, inputs, stride);
    if (c < s.c)
      transform_channels<S, false, kIn>(pixels, c, static_cast<int>(s.c - c), inputs, stride);
  }
}

// The results of one tile from its products, one vector of columns from column n on, `left` of
// which exist, to `out` as elements of T.
template <typename S, int kOut, typename T>
[[gnu::always_inline]] inline void restore_tile(const GemmF32Call& call, T* out,
                                                const float* products, int64_t stride,
                                                const TileAt<kOut>& tile, int64_t n,
                                                int left) noexcept {
  using F = typename S::f32;
  constexpr int kIn = kOut + 2;
  const ConvShape& s = *call.a.conv;
  F half[kOut][kIn];
#pragma GCC unroll 6
  for (int x = 0; x < kIn; ++x) {
    F m[kIn], y[kOut];
#pragma GCC unroll 6
    for (int i = 0; i < kIn; ++i) m[i] = S::load(products + (i * kIn + x) * stride);
    times_a<S>(m, y);
#pragma GCC unroll 4
    for (int i = 0; i < kOut; ++i) half[i][x] = y[i];
  }
  const bool whole = left >= S::kLanes;
  const auto* residual = static_cast<const T*>(call.residual);
  const auto load = [&](const auto* p) { return whole ? S::load(p) : S::load_partial(p, left); };
  const F bias = call.bias ? load(call.bias + n) : S::set(0.0f);
  const F low = S::set(call.min), high = S::set(call.max);
#pragma GCC unroll 4
  for (int i = 0; i < kOut; ++i) {
    if (tile.oy + i >= s.oh) break;
    F y[kOut];
    times_a<S>(half[i], y);
#pragma GCC unroll 4
    for (int j = 0; j < kOut; ++j) {
      if (tile.ox + j >= s.ow) break;
      const int64_t at = tile.pixel(s) + i * s.ow + j;
      F x = S::add(y[j], bias);
      if (residual) x = S::add(x, load(residual + at * call.residual_stride + n));
      x = S::min(high, S::max(low, x));
      if (whole)
        S::store(out + at * call.out_stride + n, x);
      else
        S::store_partial(out + at * call.out_stride + n, x, left);
    }
  }
}

// The results of `tiles` from products [kIn * kIn][tiles][width], the first `stride` apart: columns
// from n on, of which there are `columns` in all.
template <typename S, int kOut, typename T>
void restore_tiles(const GemmF32Call& call, T* out, Range tiles, const float* products,
                   int64_t width, int64_t stride, int64_t n, int64_t columns) noexcept {
  for (int64_t i = tiles.begin; i < tiles.end; ++i, products += width) {
    const TileAt<kOut> tile(*call.a.conv, i);
    for (int64_t v = 0; v < width && n + v < columns; v += S::kLanes) {
      const int64_t left = columns - n - v;
      restore_tile<S>(call, out, products + v, stride, tile, n + v,
                      static_cast<int>(left < 64 ? left : 64));
    }
  }
}
