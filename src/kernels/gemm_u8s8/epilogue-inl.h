// What turns int32 sums into results, over the vector language. Included inside the target region
// and the namespace of one ISA. No include guard.

// What leaves: the sums of one tile, the bias in them, row by row of kVecs vectors, through the
// epilogue. The clamp
// to [qmin, qmax] comes before rounding, which is the same because the bounds are integers, and
// keeps the conversion in range; a NaN (of a scale) becomes qmin.
template <typename S, int kVecs, GemmOutput kKind>
void finish(const GemmU8S8Tile& t, int rows, const int32_t* sums) noexcept {
  using F = typename S::f32;
  using I = typename S::s32;
  constexpr int kLanes = S::kLanes;
  const GemmU8S8Epilogue& e = *t.epilogue;
  const F low = S::set(kKind == GemmOutput::f32 ? e.min : static_cast<float>(e.qmin - e.zero));
  const F high = S::set(kKind == GemmOutput::f32 ? e.max : static_cast<float>(e.qmax - e.zero));
  const I zero = S::set(e.zero);
  for (int v = 0; v < kVecs; ++v) {
    const int offset = v * kLanes, left = t.cols - offset;
    if (left <= 0) return;
    const bool whole = left >= kLanes;
    const int64_t n = t.n0 + offset;
    const auto ints = [&](const int32_t* p) {
      return !p ? S::set(int32_t{0}) : whole ? S::load(p + n) : S::load_partial(p + n, left);
    };
    const auto floats = [&](const float* p) {
      return !p ? S::set(0.0f) : whole ? S::load(p + n) : S::load_partial(p + n, left);
    };
    const I b_zero = ints(e.b_zero);
    const F scale = floats(e.scale), fbias = floats(e.fbias);
    for (int m = 0; m < rows; ++m) {
      I acc = S::load(sums + m * kVecs * kLanes + offset);
      if (e.b_zero) acc = S::sub(acc, S::mul(b_zero, S::set(t.row_sums[m])));
      const int64_t at = m * t.out_stride + offset;
      if constexpr (kKind == GemmOutput::s32) {
        int32_t* out = static_cast<int32_t*>(t.out) + at;
        if (whole)
          S::store(out, acc);
        else
          S::store_partial(out, acc, left);
      } else if constexpr (kKind == GemmOutput::f32) {
        float* out = static_cast<float*>(t.out) + at;
        F y = S::add(S::mul(S::to_f32(acc), scale), fbias);
        if (t.residual) {
          const float* residual = t.residual + m * e.residual_stride + offset;
          y = S::add(y, whole ? S::load(residual) : S::load_partial(residual, left));
        }
        y = S::min(high, S::max(low, y));
        if (whole)
          S::store(out, y);
        else
          S::store_partial(out, y, left);
      } else {
        uint8_t* out = static_cast<uint8_t*>(t.out) + at;
        const F y = S::min(S::max(S::mul(S::to_f32(acc), scale), low), high);
        const I q = S::add(S::round(y), zero);
        if (whole)
          S::store_low_bytes(out, q);
        else
          S::store_low_bytes_partial(out, q, left);
      }
    }
  }
}

// Four vectors of sums, the bias in them, to bytes in order. The scales are small: `round` needs no
// bounds, and what is saturated to the type stays outside [qmin, qmax] or at its end.
template <typename S, GemmOutput kKind>
[[gnu::always_inline]] inline typename S::bytes quantized(
    const GemmU8S8Epilogue& e, typename S::s32 a, typename S::s32 b, typename S::s32 c,
    typename S::s32 d, typename S::f32 scale0, typename S::f32 scale1, bool clamps) noexcept {
  const typename S::s32 q[4] = {
      S::round(S::mul(S::to_f32(a), scale0)), S::round(S::mul(S::to_f32(b), scale1)),
      S::round(S::mul(S::to_f32(c), scale0)), S::round(S::mul(S::to_f32(d), scale1))};
  const auto bytes = kKind == GemmOutput::u8 ? S::join_u8(q, e.zero) : S::join_s8(q, e.zero);
  if (!clamps) return bytes;
  return kKind == GemmOutput::u8 ? S::clamp_u8(bytes, e.qmin, e.qmax)
                                 : S::clamp_s8(bytes, e.qmin, e.qmax);
}

// Two rows of two vectors, m and `second`. kWhole: all their columns exist.
template <typename S, GemmOutput kKind, bool kWhole = true>
[[gnu::always_inline]] inline void finish_pair(const GemmU8S8Tile& t, typename S::s32 a,
                                               typename S::s32 b, typename S::s32 c,
                                               typename S::s32 d, typename S::f32 scale0,
                                               typename S::f32 scale1, bool clamps, int m,
                                               int second) noexcept {
  uint8_t* out = static_cast<uint8_t*>(t.out);
  void *p = out + m * t.out_stride, *q = out + second * t.out_stride;
  const auto bytes = quantized<S, kKind>(*t.epilogue, a, b, c, d, scale0, scale1, clamps);
  if constexpr (kWhole)
    S::store_halves(p, q, bytes);
  else
    S::store_halves_partial(p, q, bytes, t.cols);
}

// Four rows of one vector.
template <typename S, GemmOutput kKind, bool kWhole = true>
[[gnu::always_inline]] inline void finish_four(const GemmU8S8Tile& t, typename S::s32 a,
                                               typename S::s32 b, typename S::s32 c,
                                               typename S::s32 d, typename S::f32 scale,
                                               bool clamps, int m0, int m1, int m2,
                                               int m3) noexcept {
  uint8_t* out = static_cast<uint8_t*>(t.out);
  void *p = out + m0 * t.out_stride, *q = out + m1 * t.out_stride;
  void *r = out + m2 * t.out_stride, *s = out + m3 * t.out_stride;
  const auto bytes = quantized<S, kKind>(*t.epilogue, a, b, c, d, scale, scale, clamps);
  if constexpr (kWhole)
    S::store_quarters(p, q, r, s, bytes);
  else
    S::store_quarters_partial(p, q, r, s, bytes, t.cols);
}

// The scales of vector v of a tile's columns.
template <typename S, bool kWhole>
[[gnu::always_inline]] inline typename S::f32 scale_of(const GemmU8S8Tile& t, int v) noexcept {
  const float* scale = t.epilogue->scale + t.n0 + v * S::kLanes;
  const int left = t.cols - v * S::kLanes;
  if (kWhole || left >= S::kLanes) return S::load(scale);
  return S::load_partial(scale, left > 0 ? left : 0);
}

// Whether storing a part of a vector is one instruction.
template <typename S>
constexpr bool kStoresParts = S::kLanes >= 16;

template <typename S, GemmOutput kKind, bool kWhole>
void finish_pairs(const GemmU8S8Tile& t, int rows, const int32_t* sums) noexcept {
  constexpr int kLanes = S::kLanes;
  const GemmU8S8Epilogue& e = *t.epilogue;
  const auto scale0 = scale_of<S, kWhole>(t, 0), scale1 = scale_of<S, kWhole>(t, 1);
  const bool clamps = e.clamps();
  for (int m = 0; m < rows; m += 2) {
    const int second = m + 1 < rows ? m + 1 : m;
    const int32_t *a = sums + m * 2 * kLanes, *c = sums + second * 2 * kLanes;
    finish_pair<S, kKind, kWhole>(t, S::load(a), S::load(a + kLanes), S::load(c),
                                  S::load(c + kLanes), scale0, scale1, clamps, m, second);
  }
}

template <typename S, int kVecs>
void finish(const GemmU8S8Tile& t, int rows, const int32_t* sums) noexcept {
  if constexpr (kVecs == 2) {
    constexpr auto kU8 = GemmOutput::u8, kS8 = GemmOutput::s8;
    const GemmU8S8Epilogue& e = *t.epilogue;
    const bool whole = t.cols == kVecs * S::kLanes;
    if (!t.row_sums && e.small_scales && (whole || kStoresParts<S>)) {
      if (e.kind == kU8)
        return whole ? finish_pairs<S, kU8, true>(t, rows, sums)
                     : finish_pairs<S, kU8, false>(t, rows, sums);
      if (e.kind == kS8)
        return whole ? finish_pairs<S, kS8, true>(t, rows, sums)
                     : finish_pairs<S, kS8, false>(t, rows, sums);
    }
  }
  switch (t.epilogue->kind) {
    case GemmOutput::s32:
      return finish<S, kVecs, GemmOutput::s32>(t, rows, sums);
    case GemmOutput::f32:
      return finish<S, kVecs, GemmOutput::f32>(t, rows, sums);
    default:
      return finish<S, kVecs, GemmOutput::u8>(t, rows, sums);
  }
}

// The bias of vector v of a tile's columns.
template <typename S>
[[gnu::always_inline]] inline typename S::s32 bias_of(const GemmU8S8Tile& t, int v) noexcept {
  const int32_t* bias = t.epilogue->bias;
  if (!bias) return S::set(int32_t{0});
  const int left = t.cols - v * S::kLanes;
  bias += t.n0 + v * S::kLanes;
  return left >= S::kLanes ? S::load(bias) : S::load_partial(bias, left > 0 ? left : 0);
}
