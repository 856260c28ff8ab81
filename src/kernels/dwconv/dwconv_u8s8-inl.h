// The u8s8 tile and line of dwconv over the vector language. Included inside the target region and
// the namespace of one ISA, so that each has instances of its own. No include guard.
//
// Four rows of kBytes channels are zipped to quads, so that dot4 adds four products at once. Its
// sums are in zip order, and so are the weights and constants of the packed block; unzip_u8,
// unzip_s8 and unzip bring them back. Sums start at the bias.

template <typename S>
typename S::bytes dw_load(const uint8_t* p, int left) noexcept {
  return left >= S::kBytes ? S::load_bytes(p) : S::load_bytes_partial(p, left);
}

template <typename S, typename T, typename V>
void dw_store(T* out, const V (&v)[4], int left) noexcept {
  for (int j = 0; j < 4; ++j) {
    const int n = left - j * S::kLanes;
    if (n >= S::kLanes)
      S::store(out + j * S::kLanes, v[j]);
    else if (n > 0)
      S::store_partial(out + j * S::kLanes, v[j], n);
  }
}

// `acc` through the epilogue to element `at` of the output.
template <typename S, GemmOutput kKind>
[[gnu::always_inline]] inline void dw_finish(const DwconvU8S8Tile& t, const std::byte* constants,
                                             typename S::s32 (&acc)[4], int64_t at,
                                             int left) noexcept {
  using F = typename S::f32;
  constexpr int kLanes = S::kLanes, kBytes = S::kBytes;
  const auto* scale = reinterpret_cast<const float*>(constants + kBytes * 4);
  const float* fbias = scale + kBytes;
  if constexpr (kKind == GemmOutput::s32) {
    typename S::s32 out[4];
    S::unzip(acc, out);
    dw_store<S>(static_cast<int32_t*>(t.out) + at, out, left);
  } else if constexpr (kKind == GemmOutput::f32) {
    const F low = S::set(t.min), high = S::set(t.max);
    F y[4], out[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      y[j] = S::mul(S::to_f32(acc[j]), S::load(scale + j * kLanes));
      y[j] = S::min(high, S::max(low, S::add(y[j], S::load(fbias + j * kLanes))));
    }
    S::unzip(y, out);
    dw_store<S>(static_cast<float*>(t.out) + at, out, left);
  } else {
    // Large scales need a bound for `round`, at the upper end; what is saturated stays outside
    // [qmin, qmax] or at its end.
    F y[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) y[j] = S::mul(S::to_f32(acc[j]), S::load(scale + j * kLanes));
    if (!t.small_scales) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) y[j] = S::min(S::set(65536.0f), y[j]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[j] = S::round(y[j]);
    auto out = kKind == GemmOutput::u8 ? S::unzip_u8(acc, t.zero) : S::unzip_s8(acc, t.zero);
    if (t.clamps)
      out = kKind == GemmOutput::u8 ? S::clamp_u8(out, t.qmin, t.qmax)
                                    : S::clamp_s8(out, t.qmin, t.qmax);
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
  const std::byte* block = t.packed;
  for (int64_t start = 0; start < t.channels; start += kBytes, block += t.block_bytes) {
    const bool whole = t.channels >= kBytes;
    const int64_t c = !whole ? 0 : start + kBytes > t.channels ? t.channels - kBytes : start;
    const int left = whole ? kBytes : static_cast<int>(t.channels);
    const std::byte* packed = block;
    const std::byte* constants = packed + t.quads * 4 * kBytes;
    const auto* bias = reinterpret_cast<const int32_t*>(constants);
    I acc[kRows][4];
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) acc[m][j] = S::load(bias + j * S::kLanes);
    for (int64_t q = 0; q < t.quads; ++q, packed += 4 * kBytes) {
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
        for (int j = 0; j < 4; ++j)
          acc[m][j] = S::dot4(acc[m][j], quad[j], S::load_bytes(packed + j * kBytes));
      }
    }
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m)
      dw_finish<S, kKind>(t, constants, acc[m], m * t.channels + c, left);
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

// kGroups groups of neighbouring outputs of a line, one block of channels; the first `stored`
// outputs are kept.
template <typename S, int kKw, int kStride, bool kFlip, GemmOutput kKind, int kGroups>
[[gnu::always_inline]] inline void dw_groups(const DwconvU8S8Line& t, const std::byte* block,
                                             int64_t x, int64_t c, int64_t stored) noexcept {
  using I = typename S::s32;
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes;
  constexpr DwconvGroup kGroup = dwconv_group(kKw, kStride, kBytes >= 64);
  constexpr int kOutputs = kGroup.outputs;
  const B flip = S::set_quads(0x80808080u);
  const std::byte* constants = block + t.tile_bytes;
  const auto* bias = reinterpret_cast<const int32_t*>(constants);
  const std::byte* w = constants + 3 * 4 * kBytes;
  I acc[kGroups * kOutputs][4];
#pragma GCC unroll 8
  for (int r = 0; r < kGroups * kOutputs; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[r][j] = S::load(bias + j * S::kLanes);
  const auto keep_sums = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int r = 0; r < kGroups * kOutputs; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) acc[r][j] = S::keep(acc[r][j]);
  };
  const uint8_t* const* in = t.columns + x * kStride;
  // Without `keep` the compiler would hold the sums in memory.
  keep_sums();
  for (int ky = 0; ky < t.kh; ++ky, in += t.width) {
#pragma GCC unroll 2
    for (int q = 0; q < kGroup.quads; ++q, w += kOutputs * 4 * kBytes) {
#pragma GCC unroll 4
      for (int u = 0; u < kGroups; ++u) {
        B a[4], quad[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          a[j] = S::load_bytes(in[u * kOutputs * kStride + q * 4 + j] + c);
          if constexpr (kFlip) a[j] = S::bit_xor(a[j], flip);
        }
        S::zip4(a, quad);
#pragma GCC unroll 4
        for (int g = 0; g < kOutputs; ++g) {
          // Outputs whose window does not reach this quad have no weights in it.
          if (g * kStride >= q * 4 + 4 || g * kStride + kKw <= q * 4) continue;
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) {
            I& sum = acc[u * kOutputs + g][j];
            sum = S::dot4(sum, quad[j], S::load_bytes(w + (g * 4 + j) * kBytes));
          }
        }
      }
    }
  }
  keep_sums();
#pragma GCC unroll 8
  for (int r = 0; r < kGroups * kOutputs; ++r)
    if (r < stored)
      dw_finish<S, kKind>(t.common, constants, acc[r], (x + r) * t.common.channels + c, kBytes);
}

// The last group overlaps the one before: what is computed twice is the same.
template <typename S, int kKw, int kStride, bool kFlip, GemmOutput kKind>
void dw_line(const DwconvU8S8Line& line) noexcept {
  const DwconvU8S8Line t = line;  // nothing that is stored can change it
  constexpr int kBytes = S::kBytes;
  constexpr int64_t kOutputs = dwconv_group(kKw, kStride, kBytes >= 64).outputs;
  constexpr int kGroups = kBytes >= 64 ? static_cast<int>(4 / kOutputs) : 1;
  constexpr int64_t kStep = kGroups * kOutputs;
  const int64_t last = t.common.channels - kBytes;
  const auto blocks = [&](int64_t x, int64_t stored, auto groups) __attribute__((always_inline)) {
    const std::byte* block = t.common.packed + t.blocks.begin * t.common.block_bytes;
    for (int64_t b = t.blocks.begin; b < t.blocks.end; ++b, block += t.common.block_bytes)
      dw_groups<S, kKw, kStride, kFlip, kKind, groups.value>(
          t, block, x, b * kBytes < last ? b * kBytes : last, stored);
  };
  int64_t x = 0;
  for (; x + kStep <= t.count; x += kStep) blocks(x, kStep, std::integral_constant<int, kGroups>());
  for (; x < t.count; x += kOutputs) {
    const int64_t begin = x + kOutputs <= t.count ? x : t.count > kOutputs ? t.count - kOutputs : 0;
    blocks(begin, t.count - begin, std::integral_constant<int, 1>());
  }
}

template <typename S, bool kFlip, GemmOutput kKind>
void dw_windows(const DwconvU8S8Line& t) noexcept {
  if (t.kw == 3 && t.stride == 1) return dw_line<S, 3, 1, kFlip, kKind>(t);
  if (t.kw == 3) return dw_line<S, 3, 2, kFlip, kKind>(t);
  if (t.stride == 1) return dw_line<S, 5, 1, kFlip, kKind>(t);
  return dw_line<S, 5, 2, kFlip, kKind>(t);
}

template <typename S>
void any_dw_line(const DwconvU8S8Line& t) noexcept {
  switch (t.common.kind) {
    case GemmOutput::s32:
      return t.common.a_signed ? dw_windows<S, true, GemmOutput::s32>(t)
                               : dw_windows<S, false, GemmOutput::s32>(t);
    case GemmOutput::f32:
      return t.common.a_signed ? dw_windows<S, true, GemmOutput::f32>(t)
                               : dw_windows<S, false, GemmOutput::f32>(t);
    case GemmOutput::u8:
      return t.common.a_signed ? dw_windows<S, true, GemmOutput::u8>(t)
                               : dw_windows<S, false, GemmOutput::u8>(t);
    case GemmOutput::s8:
      return t.common.a_signed ? dw_windows<S, true, GemmOutput::s8>(t)
                               : dw_windows<S, false, GemmOutput::s8>(t);
  }
}
