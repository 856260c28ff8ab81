// The form `pairs` of u8s8 dwconv over the vector language; see pairs.h. No include guard.

// Constants of a block, in the order of zip_words.
template <typename S>
struct DwPairsBlock {
  static constexpr int kChannels = 2 * S::kLanes;
  const int32_t* bias;  // [kChannels]
  const float *scale, *fbias;
  const int16_t* weights;  // [set][kx][pair][2 * kChannels]

  explicit DwPairsBlock(const std::byte* packed) noexcept
      : bias(reinterpret_cast<const int32_t*>(packed)),
        scale(reinterpret_cast<const float*>(bias + kChannels)),
        fbias(scale + kChannels),
        weights(reinterpret_cast<const int16_t*>(fbias + kChannels)) {}
};

// Results that do not leave as bytes, one by one.
template <typename S, GemmOutput kKind>
void dw_pairs_single(const DwconvTwoRows& t, const DwPairsBlock<S>& block,
                     const typename S::s32 (&acc)[2], std::byte* row, int64_t at) noexcept {
  constexpr int kChannels = DwPairsBlock<S>::kChannels;
  alignas(64) int32_t sums[kChannels];
  S::store(sums, acc[0]);
  S::store(sums + S::kLanes, acc[1]);
  for (int i = 0; i < kChannels; ++i) {
    const int place = dw_pairs_place(i, S::kLanes);
    if constexpr (kKind == GemmOutput::s32) {
      reinterpret_cast<int32_t*>(row)[at + i] = sums[place];
    } else {
      const float scaled = static_cast<float>(sums[place]) * block.scale[place];
      const float y = scaled + block.fbias[place];
      reinterpret_cast<float*>(row)[at + i] = y < t.common.min   ? t.common.min
                                              : y > t.common.max ? t.common.max
                                                                 : y;
    }
  }
}

// One output row of a group: two neighbours, of which `stored` are kept.
template <typename S, GemmOutput kKind>
[[gnu::always_inline]] inline void dw_pairs_finish(const DwconvTwoRows& t,
                                                   const DwPairsBlock<S>& block,
                                                   const typename S::s32 (&acc)[2][2],
                                                   std::byte* row, int64_t x, int64_t c,
                                                   int64_t stored) noexcept {
  const int64_t channels = t.common.channels, at = x * channels + c;
  if constexpr (kKind == GemmOutput::u8 || kKind == GemmOutput::s8) {
    typename S::s32 q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      auto y = S::mul(S::to_f32(acc[i / 2][i % 2]), S::load(block.scale + i % 2 * S::kLanes));
      if (!t.common.small_scales) y = S::min(S::set(65536.0f), y);
      q[i] = S::round(y);
    }
    auto bytes =
        kKind == GemmOutput::u8 ? S::pair_u8(q, t.common.zero) : S::pair_s8(q, t.common.zero);
    if (t.common.clamps)
      bytes = kKind == GemmOutput::u8 ? S::clamp_u8(bytes, t.common.qmin, t.common.qmax)
                                      : S::clamp_s8(bytes, t.common.qmin, t.common.qmax);
    std::byte* out = row + at;
    if (stored > 1)
      S::store_halves(out, out + channels, bytes);
    else
      S::store_bytes_partial(out, bytes, S::kBytes / 2);
  } else {
    for (int64_t g = 0; g < stored; ++g)
      dw_pairs_single<S, kKind>(t, block, acc[g], row, at + g * channels);
  }
}

// What two by two outputs begin with and become: [row][neighbour][half].
template <typename S>
using DwPairsSums = typename S::s32[2][2][2];

// Each sum is kept at once: the compiler would multiply first, add later and have no registers
// left.
template <typename S, int kK, int kStride, typename Load>
[[gnu::always_inline]] inline void dw_pairs_sum(const DwPairsBlock<S>& block, Load load,
                                                DwPairsSums<S>& acc) noexcept {
  using W = typename S::s16;
  constexpr int kRows = kK + kStride, kTaps = (kK + 1) / 2, kWords = 4 * S::kLanes;
#pragma GCC unroll 8
  for (int column = 0; column < kStride + kK; ++column) {
#pragma GCC unroll 4
    for (int pair = 0; pair < (kRows + 1) / 2; ++pair) {
      W half[2];
      const W first = load(2 * pair, column);
      S::zip_words(first, 2 * pair + 1 < kRows ? load(2 * pair + 1, column) : first, half);
#pragma GCC unroll 2
      for (int g = 0; g < 2; ++g) {
        const int kx = column - g * kStride;
        if (kx < 0 || kx >= kK) continue;
#pragma GCC unroll 2
        for (int r = 0; r < 2; ++r) {
          // At stride 1 both rows read all pairs, with weights of their own; at stride 2 the second
          // row begins one pair later.
          const int tap = kStride == 1 ? pair : pair - r;
          if (tap < 0 || tap >= kTaps) continue;
          const int set = kStride == 1 ? r : 0;
          const int16_t* w = block.weights + ((set * kK + kx) * kTaps + tap) * kWords;
#pragma GCC unroll 2
          for (int h = 0; h < 2; ++h)
            acc[r][g][h] =
                S::keep(S::dot2(acc[r][g][h], half[h], S::load_words(w + h * 2 * S::kLanes)));
        }
      }
    }
  }
}

// 3x3 of stride 1 with registers for all columns: a weight is loaded once for both neighbours.
template <typename S, typename Load>
[[gnu::always_inline]] inline void dw_pairs_sum_held(const DwPairsBlock<S>& block, Load load,
                                                     DwPairsSums<S>& acc) noexcept {
  using W = typename S::s16;
  W column[4][2][2];  // [pair of rows][half]
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    W(&zipped)[2] = column[i / 2][i % 2];
    S::zip_words(load(i % 2 * 2, i / 2), load(i % 2 * 2 + 1, i / 2), zipped);
    zipped[0] = S::keep(zipped[0]);
    zipped[1] = S::keep(zipped[1]);
  }
#pragma GCC unroll 3
  for (int kx = 0; kx < 3; ++kx)
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const int r = i / 4, pair = i / 2 % 2, h = i % 2;
      const int place = ((r * 3 + kx) * 2 + pair) * 2 + h;
      const W w = S::keep(S::load_words(block.weights + place * 2 * S::kLanes));
#pragma GCC unroll 2
      for (int g = 0; g < 2; ++g)
        acc[r][g][h] = S::keep(S::dot2(acc[r][g][h], column[kx + g][pair][h], w));
    }
}

// Two by two outputs from column x of the output on, one block of channels.
template <typename S, int kK, int kStride, bool kSigned, GemmOutput kKind>
[[gnu::always_inline]] inline void dw_pairs_group(const DwconvTwoRows& t, const std::byte* packed,
                                                  int64_t x, int64_t c, int64_t stored) noexcept {
  const DwPairsBlock<S> block(packed);
  DwPairsSums<S> acc;
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i)
    acc[i / 4][i / 2 % 2][i % 2] = S::load(block.bias + i % 2 * S::kLanes);
  const uint8_t* const* columns = t.columns + x * kStride;
  const auto load = [&](int row, int column) __attribute__((always_inline)) {
    const uint8_t* p = columns[row * t.width + column] + c;
    if constexpr (kSigned)
      return S::load_widened(reinterpret_cast<const int8_t*>(p));
    else
      return S::load_widened(p);
  };
  constexpr bool kHolds = S::kLanes >= 16;  // 32 registers
  if constexpr (kHolds && kK == 3 && kStride == 1)
    dw_pairs_sum_held<S>(block, load, acc);
  else
    dw_pairs_sum<S, kK, kStride>(block, load, acc);
  dw_pairs_finish<S, kKind>(t, block, acc[0], t.out[0], x, c, stored);
  if (t.out[1]) dw_pairs_finish<S, kKind>(t, block, acc[1], t.out[1], x, c, stored);
}

// The last group overlaps the one before: what is computed twice is the same.
template <typename S, int kK, int kStride, bool kSigned, GemmOutput kKind>
void dw_pairs_rows(const DwconvTwoRows& rows) noexcept {
  const DwconvTwoRows t = rows;  // nothing that is stored can change it
  constexpr int kChannels = DwPairsBlock<S>::kChannels;
  const int64_t last = t.common.channels - kChannels;
  for (int64_t x = 0; x < t.count; x += 2) {
    const int64_t begin = x + 2 <= t.count ? x : t.count > 2 ? t.count - 2 : 0;
    for (int64_t b = t.blocks.begin; b < t.blocks.end; ++b)
      dw_pairs_group<S, kK, kStride, kSigned, kKind>(
          t, t.common.packed + b * t.common.block_bytes, begin,
          b * kChannels < last ? b * kChannels : last, t.count > 1 ? 2 : 1);
  }
}

template <typename S, int kK, int kStride>
void dw_pairs_kinds(const DwconvTwoRows& t) noexcept {
  switch (t.common.kind) {
    case GemmOutput::s32:
      return t.common.a_signed ? dw_pairs_rows<S, kK, kStride, true, GemmOutput::s32>(t)
                               : dw_pairs_rows<S, kK, kStride, false, GemmOutput::s32>(t);
    case GemmOutput::f32:
      return t.common.a_signed ? dw_pairs_rows<S, kK, kStride, true, GemmOutput::f32>(t)
                               : dw_pairs_rows<S, kK, kStride, false, GemmOutput::f32>(t);
    case GemmOutput::u8:
      return t.common.a_signed ? dw_pairs_rows<S, kK, kStride, true, GemmOutput::u8>(t)
                               : dw_pairs_rows<S, kK, kStride, false, GemmOutput::u8>(t);
    case GemmOutput::s8:
      return t.common.a_signed ? dw_pairs_rows<S, kK, kStride, true, GemmOutput::s8>(t)
                               : dw_pairs_rows<S, kK, kStride, false, GemmOutput::s8>(t);
  }
}

template <typename S>
void any_dw_pairs(const DwconvTwoRows& t) noexcept {
  if (t.k == 3 && t.stride == 1) return dw_pairs_kinds<S, 3, 1>(t);
  if (t.k == 3) return dw_pairs_kinds<S, 3, 2>(t);
  if (t.stride == 1) return dw_pairs_kinds<S, 5, 1>(t);
  return dw_pairs_kinds<S, 5, 2>(t);
}
