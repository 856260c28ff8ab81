// The two transforms of winograd_bf16 over the vector language. Included inside the target region
// and the namespace of one ISA. No include guard.

template <typename S>
[[gnu::always_inline]] inline typename S::f32 minus(typename S::f32 a, typename S::f32 b) noexcept {
  return S::fmadd(b, S::set(-1.0f), a);
}

// Four values times B.
template <typename S>
[[gnu::always_inline]] inline void times_b(const typename S::f32 (&d)[4],
                                           typename S::f32 (&r)[4]) noexcept {
  r[0] = minus<S>(d[0], d[2]);
  r[1] = S::add(d[1], d[2]);
  r[2] = minus<S>(d[2], d[1]);
  r[3] = minus<S>(d[1], d[3]);
}

// Four sums times A: two outputs.
template <typename S>
[[gnu::always_inline]] inline void times_a(const typename S::f32 (&m)[4],
                                           typename S::f32 (&y)[2]) noexcept {
  y[0] = S::add(m[0], S::add(m[1], m[2]));
  y[1] = minus<S>(minus<S>(m[1], m[2]), m[3]);
}

// kWhole: all channels of the vector exist.
template <typename S, bool kWhole>
[[gnu::always_inline]] inline void transform_channels(const simd::bfloat16* const (&pixels)[16],
                                                      int64_t c, int left, simd::bfloat16* to,
                                                      int64_t stride) noexcept {
  using F = typename S::f32;
  F half[4][4];
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) {
    F d[4], r[4];
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
      const simd::bfloat16* p = pixels[y * 4 + x] + c;
      d[y] = kWhole ? S::load(p) : S::load_partial(p, left);
    }
    times_b<S>(d, r);
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) half[y][x] = r[y];
  }
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    F r[4];
    times_b<S>(half[y], r);
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      simd::bfloat16* at = to + (y * 4 + x) * stride + c;
      if constexpr (kWhole)
        S::store(at, r[x]);
      else
        S::store_partial(at, r[x], left);
    }
  }
}

template <typename S>
void transform(const WinogradBf16Block& b) noexcept {
  const ConvShape& s = *b.call->a.conv;
  for (int64_t i = b.tiles.begin; i < b.tiles.end; ++i) {
    const simd::bfloat16* pixels[16];
    TileAt<2>(s, i).pixels<4>(s, static_cast<const simd::bfloat16*>(b.call->a.data),
                              static_cast<const simd::bfloat16*>(b.call->a.padding), pixels);
    simd::bfloat16* to = b.inputs + (i - b.tiles.begin) * s.c;
    int64_t c = 0;
    for (; c + S::kLanes <= s.c; c += S::kLanes)
      transform_channels<S, true>(pixels, c, S::kLanes, to, b.input_stride());
    if (c < s.c)
      transform_channels<S, false>(pixels, c, static_cast<int>(s.c - c), to, b.input_stride());
  }
}

// The 2 x 2 results of one tile from its 16 products, one vector of columns from column n on,
// `left` of which exist.
template <typename S>
[[gnu::always_inline]] inline void restore_tile(const WinogradBf16Block& b, const float* products,
                                                const TileAt<2>& at, int64_t n, int left) noexcept {
  using F = typename S::f32;
  const GemmF32Call& call = *b.call;
  const ConvShape& s = *call.a.conv;
  const int64_t stride = b.output_stride();
  F half[2][4];
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) {
    F m[4], y[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) m[i] = S::load(products + (i * 4 + x) * stride);
    times_a<S>(m, y);
    half[0][x] = y[0];
    half[1][x] = y[1];
  }
  const bool whole = left >= S::kLanes;
  const auto load = [&](const auto* p) { return whole ? S::load(p) : S::load_partial(p, left); };
  const F bias = call.bias ? load(call.bias + n) : S::set(0.0f);
  const F low = S::set(call.min), high = S::set(call.max);
  const auto* residual = static_cast<const simd::bfloat16*>(call.residual);
  auto* out = static_cast<simd::bfloat16*>(call.out);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    if (at.oy + i >= s.oh) break;
    F y[2];
    times_a<S>(half[i], y);
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      if (at.ox + j >= s.ow) break;
      const int64_t pixel = at.pixel(s) + i * s.ow + j;
      F x = S::add(y[j], bias);
      if (residual) x = S::add(x, load(residual + pixel * call.residual_stride + n));
      x = S::min(high, S::max(low, x));
      if (whole)
        S::store(out + pixel * call.out_stride + n, x);
      else
        S::store_partial(out + pixel * call.out_stride + n, x, left);
    }
  }
}

template <typename S>
void restore(const WinogradBf16Block& b, int64_t panel) noexcept {
  const int64_t width = b.weights->row->nr, columns = b.weights->n - panel * width;
  for (int64_t i = b.tiles.begin; i < b.tiles.end; ++i) {
    const TileAt<2> at(*b.call->a.conv, i);
    const float* products = b.outputs + (i - b.tiles.begin) * width;
    for (int64_t v = 0; v < width && v < columns; v += S::kLanes)
      restore_tile<S>(b, products + v, at, panel * width + v,
                      static_cast<int>(columns - v < 64 ? columns - v : 64));
  }
}
