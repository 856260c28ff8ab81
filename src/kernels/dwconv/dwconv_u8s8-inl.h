// The u8s8 tile of dwconv over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.
//
// Four positions of kBytes channels are zipped to quads, so that dot4 adds four positions at once.
// Its sums are in zip order, and so are the weights and constants of the packed block; unzip_u8,
// unzip_s8 and unzip bring them back.

template <typename S>
typename S::bytes dw_load(const uint8_t* p, int left) noexcept {
  return left >= S::kBytes ? S::load_bytes(p) : S::load_bytes_partial(p, left);
}

template <typename S, GemmOutput kKind>
void dw_finish(const DwconvU8S8Tile& t, const std::byte* constants, typename S::s32 (&acc)[4],
               int64_t at, int left) noexcept {
  using F = typename S::f32;
  using I = typename S::s32;
  constexpr int kLanes = S::kLanes, kBytes = S::kBytes;
  const auto* bias = reinterpret_cast<const int32_t*>(constants);
  const auto* scale = reinterpret_cast<const float*>(constants + kBytes * 4);
  const float* fbias = scale + kBytes;
  for (int j = 0; j < 4; ++j) acc[j] = S::add(acc[j], S::load(bias + j * kLanes));
  if constexpr (kKind == GemmOutput::s32) {
    I out[4];
    S::unzip(acc, out);
    for (int j = 0; j < 4; ++j) {
      const int n = left - j * kLanes;
      if (n > 0)
        S::store_partial(static_cast<int32_t*>(t.out) + at + j * kLanes, out[j],
                         n < kLanes ? n : kLanes);
    }
  } else if constexpr (kKind == GemmOutput::f32) {
    const F low = S::set(t.min), high = S::set(t.max);
    F y[4], out[4];
    for (int j = 0; j < 4; ++j) {
      y[j] = S::mul(S::to_f32(acc[j]), S::load(scale + j * kLanes));
      y[j] = S::min(high, S::max(low, S::add(y[j], S::load(fbias + j * kLanes))));
    }
    S::unzip(y, out);
    for (int j = 0; j < 4; ++j) {
      const int n = left - j * kLanes;
      if (n > 0)
        S::store_partial(static_cast<float*>(t.out) + at + j * kLanes, out[j],
                         n < kLanes ? n : kLanes);
    }
  } else {
    const F low = S::set(static_cast<float>(t.qmin - t.zero));
    const F high = S::set(static_cast<float>(t.qmax - t.zero));
    const I zero = S::set(t.zero);
    for (int j = 0; j < 4; ++j) {
      const F y = S::mul(S::to_f32(acc[j]), S::load(scale + j * kLanes));
      acc[j] = S::add(S::round(S::min(S::max(y, low), high)), zero);
    }
    const auto out = kKind == GemmOutput::u8 ? S::unzip_u8(acc) : S::unzip_s8(acc);
    uint8_t* to = static_cast<uint8_t*>(t.out) + at;
    if (left >= kBytes)
      S::store_bytes(to, out);
    else
      S::store_bytes_partial(to, out, left);
  }
}

template <typename S, int kMr, bool kFlip, GemmOutput kKind, int kRows>
void dw_tile(const DwconvU8S8Tile& t) noexcept {
  using I = typename S::s32;
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes;
  const B flip = S::set_quads(0x80808080u);
  const std::byte* packed = t.packed;
  for (int64_t c = 0; c < t.channels; c += kBytes) {
    const int left = t.channels - c < kBytes ? static_cast<int>(t.channels - c) : kBytes;
    I acc[kRows][4];
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) acc[m][j] = S::set(int32_t{0});
    for (int64_t q = 0; q < t.quads; ++q, packed += 4 * kBytes) {
      B weight[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) weight[j] = S::load_bytes(packed + j * kBytes);
#pragma GCC unroll 4
      for (int m = 0; m < kRows; ++m) {
        B a[4], quad[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          a[j] = dw_load<S>(t.a[(q * 4 + j) * kMr + m] + c, left);
          if constexpr (kFlip) a[j] = S::bit_xor(a[j], flip);
        }
        S::zip4(a, quad);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) acc[m][j] = S::dot4(acc[m][j], quad[j], weight[j]);
      }
    }
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m)
      dw_finish<S, kKind>(t, packed, acc[m], m * t.channels + c, left);
    packed += 3 * 4 * kBytes;  // the constants
  }
}

template <typename S, int kMr, bool kFlip, GemmOutput kKind>
void dw_rows(const DwconvU8S8Tile& t, int rows) noexcept {
  static_assert(kMr == 2);
  if (rows == 2)
    dw_tile<S, kMr, kFlip, kKind, 2>(t);
  else
    dw_tile<S, kMr, kFlip, kKind, 1>(t);
}

template <typename S, int kMr, bool kFlip>
void dw_kinds(const DwconvU8S8Tile& t, int rows) noexcept {
  switch (t.kind) {
    case GemmOutput::s32:
      return dw_rows<S, kMr, kFlip, GemmOutput::s32>(t, rows);
    case GemmOutput::f32:
      return dw_rows<S, kMr, kFlip, GemmOutput::f32>(t, rows);
    case GemmOutput::u8:
      return dw_rows<S, kMr, kFlip, GemmOutput::u8>(t, rows);
    case GemmOutput::s8:
      return dw_rows<S, kMr, kFlip, GemmOutput::s8>(t, rows);
  }
}

template <typename S, int kMr>
void any_dw_tile(const DwconvU8S8Tile& t, int rows) noexcept {
  if (t.a_signed)
    dw_kinds<S, kMr, true>(t, rows);
  else
    dw_kinds<S, kMr, false>(t, rows);
}
