// The form `slide` of u8s8 dwconv over the vector language; see slide.h. After dwconv_u8s8-inl.h.
// No include guard.

// Column x of the input adds to outputs x, x - 1 and x - 2 of both rows, whose sums lie in places
// kPhase = x % 3 and before; the last of them, then complete, leaves if kStored.
template <typename S, bool kFlip, GemmOutput kKind, int kPhase, bool kStored = true>
[[gnu::always_inline]] inline void dw_slide_column(const DwconvTwoRows& t, const std::byte* block,
                                                   typename S::s32 (&acc)[3][2][4], int64_t x,
                                                   int64_t c) noexcept {
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes;
  // Weights are operands in memory: the compiler would load those of all columns first and have no
  // registers left for the sums.
  asm volatile("" : "+r"(block));
  const B flip = S::set_quads(0x80808080u);
  const std::byte* w = block + 3 * 4 * kBytes;
  const uint8_t* const* in = t.columns + x;
  B a[4], quad[4];
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    a[r] = S::load_bytes(in[r * t.width] + c);
    if constexpr (kFlip) a[r] = S::bit_xor(a[r], flip);
  }
  S::zip4(a, quad);
#pragma GCC unroll 3
  for (int kx = 0; kx < 3; ++kx)
#pragma GCC unroll 2
    for (int r = 0; r < 2; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        auto& sum = acc[(kPhase + 3 - kx) % 3][r][j];
        sum = S::dot4(sum, quad[j], S::load_bytes(w + ((r * 3 + kx) * 4 + j) * kBytes));
      }
#pragma GCC unroll 24
  for (int i = 0; i < 24; ++i) acc[i / 8][i / 4 % 2][i % 4] = S::keep(acc[i / 8][i / 4 % 2][i % 4]);
  auto& done = acc[(kPhase + 1) % 3];
  if constexpr (kStored) {
    const int64_t at = (x - 2) * t.common.channels + c;
    DwconvU8S8Tile row = t.common;
    row.out = t.out[0];
    dw_finish<S, kKind>(row, block, done[0], at, kBytes);
    row.out = t.out[1];
    if (row.out) dw_finish<S, kKind>(row, block, done[1], at, kBytes);
  }
  const auto* bias = reinterpret_cast<const int32_t*>(block);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) done[i / 4][i % 4] = S::load(bias + i % 4 * S::kLanes);
}

template <typename S, bool kFlip, GemmOutput kKind>
void dw_slide_block(const DwconvTwoRows& rows, const std::byte* block, int64_t c) noexcept {
  const DwconvTwoRows t = rows;  // nothing that is stored can change it
  typename S::s32 acc[3][2][4];
#pragma GCC unroll 24
  for (int i = 0; i < 24; ++i)
    acc[i / 8][i / 4 % 2][i % 4] =
        S::load(reinterpret_cast<const int32_t*>(block) + i % 4 * S::kLanes);
  dw_slide_column<S, kFlip, kKind, 0, false>(t, block, acc, 0, c);
  dw_slide_column<S, kFlip, kKind, 1, false>(t, block, acc, 1, c);
  int64_t x = 2;
  for (; x + 3 <= t.width; x += 3) {
    dw_slide_column<S, kFlip, kKind, 2>(t, block, acc, x, c);
    dw_slide_column<S, kFlip, kKind, 0>(t, block, acc, x + 1, c);
    dw_slide_column<S, kFlip, kKind, 1>(t, block, acc, x + 2, c);
  }
  if (x < t.width) dw_slide_column<S, kFlip, kKind, 2>(t, block, acc, x, c);
  if (x + 1 < t.width) dw_slide_column<S, kFlip, kKind, 0>(t, block, acc, x + 1, c);
}

// Stride 2: an even column ends one output of each row, which leaves, and begins the next.
enum class DwColumn : uint8_t { first, odd, even, last };
template <typename S, bool kFlip, GemmOutput kKind, DwColumn kColumn>
[[gnu::always_inline]] inline void dw_slide_column2(const DwconvTwoRows& t, const std::byte* block,
                                                    typename S::s32 (&acc)[2][4], int64_t x,
                                                    int64_t c) noexcept {
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes;
  asm volatile("" : "+r"(block));
  const B flip = S::set_quads(0x80808080u);
  const auto* bias = reinterpret_cast<const int32_t*>(block);
  const std::byte* w = block + 3 * 4 * kBytes;
  const uint8_t* const* in = t.columns + x;
#pragma GCC unroll 2
  for (int r = 0; r < 2; ++r) {
    B a[4], quad[4];
#pragma GCC unroll 3
    for (int y = 0; y < 3; ++y) {
      a[y] = S::load_bytes(in[(2 * r + y) * t.width] + c);
      if constexpr (kFlip) a[y] = S::bit_xor(a[y], flip);
    }
    a[3] = a[2];  // against weights of 0
    S::zip4(a, quad);
    const auto add = [&](int kx) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j)
        acc[r][j] = S::dot4(acc[r][j], quad[j], S::load_bytes(w + (kx * 4 + j) * kBytes));
    };
    if constexpr (kColumn == DwColumn::odd) add(1);
    if constexpr (kColumn == DwColumn::even || kColumn == DwColumn::last) {
      add(2);
      DwconvU8S8Tile row = t.common;
      row.out = t.out[r];
      if (row.out)
        dw_finish<S, kKind>(row, block, acc[r], (x / 2 - 1) * t.common.channels + c, kBytes);
    }
    if constexpr (kColumn == DwColumn::first || kColumn == DwColumn::even) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) acc[r][j] = S::load(bias + j * S::kLanes);
      add(0);
    }
  }
}

template <typename S, bool kFlip, GemmOutput kKind>
void dw_slide_block2(const DwconvTwoRows& rows, const std::byte* block, int64_t c) noexcept {
  const DwconvTwoRows t = rows;  // nothing that is stored can change it
  typename S::s32 acc[2][4];
  dw_slide_column2<S, kFlip, kKind, DwColumn::first>(t, block, acc, 0, c);
  for (int64_t o = 1; o < t.count; ++o) {
    dw_slide_column2<S, kFlip, kKind, DwColumn::odd>(t, block, acc, 2 * o - 1, c);
    dw_slide_column2<S, kFlip, kKind, DwColumn::even>(t, block, acc, 2 * o, c);
  }
  dw_slide_column2<S, kFlip, kKind, DwColumn::odd>(t, block, acc, 2 * t.count - 1, c);
  dw_slide_column2<S, kFlip, kKind, DwColumn::last>(t, block, acc, 2 * t.count, c);
}

template <typename S, bool kFlip, GemmOutput kKind>
void dw_slide_rows(const DwconvTwoRows& t) noexcept {
  const int64_t last = t.common.channels - S::kBytes;
  for (int64_t b = t.blocks.begin; b < t.blocks.end; ++b) {
    const std::byte* block = t.common.packed + b * t.common.block_bytes;
    const int64_t c = b * S::kBytes < last ? b * S::kBytes : last;
    t.stride == 1 ? dw_slide_block<S, kFlip, kKind>(t, block, c)
                  : dw_slide_block2<S, kFlip, kKind>(t, block, c);
  }
}

template <typename S>
void any_dw_slide(const DwconvTwoRows& t) noexcept {
  switch (t.common.kind) {
    case GemmOutput::s32:
      return t.common.a_signed ? dw_slide_rows<S, true, GemmOutput::s32>(t)
                               : dw_slide_rows<S, false, GemmOutput::s32>(t);
    case GemmOutput::f32:
      return t.common.a_signed ? dw_slide_rows<S, true, GemmOutput::f32>(t)
                               : dw_slide_rows<S, false, GemmOutput::f32>(t);
    case GemmOutput::u8:
      return t.common.a_signed ? dw_slide_rows<S, true, GemmOutput::u8>(t)
                               : dw_slide_rows<S, false, GemmOutput::u8>(t);
    case GemmOutput::s8:
      return t.common.a_signed ? dw_slide_rows<S, true, GemmOutput::s8>(t)
                               : dw_slide_rows<S, false, GemmOutput::s8>(t);
  }
}
