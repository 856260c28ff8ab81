// The form `fours` over the vector language; after panels-inl.h, which see.

// kFlip: A is int8. kPlain: one position, of couples alone.
template <bool kFlip, bool kPlain = false>
struct Fours {
  template <typename S, int kUsed>
  static void start(const GemmU8S8Panel&, typename S::s32 (&)[kUsed]) noexcept {}

  template <typename S, typename Quad>
  [[gnu::always_inline]] static typename S::bytes quad(const Quad* at) noexcept {
    const typename S::bytes x = S::load_quad(at);
    if constexpr (kFlip) return S::bit_xor(x, S::set_quads(0x80808080u));
    return x;
  }

  // One quad of each row times one line of W, widened.
  template <typename S, int kUsed, int kRows, typename Quad>
  [[gnu::always_inline]] static void add_quad(const Quad* const (&a)[kRows], int64_t k,
                                              const int8_t* b,
                                              typename S::s32 (&acc)[kRows][kUsed]) noexcept {
    typename S::bytes column[kUsed];
#pragma GCC unroll 8
    for (int v = 0; v < kUsed; ++v) column[v] = S::load_bytes(b + v * S::kBytes);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const auto x = quad<S>(a[m] + k);
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v) acc[m][v] = S::dot4(acc[m][v], x, column[v]);
    }
  }

  // Two quads, times two lines: their halves add up in 16 bits.
  template <typename S, int kVecs, int kUsed, int kRows>
  [[gnu::always_inline]] static void add_couple(const uint8_t* const (&a)[kRows], int64_t k,
                                                const int8_t* b,
                                                typename S::s32 (&acc)[kRows][kUsed]) noexcept {
    const auto ones = S::set_words(1);
    typename S::bytes column[2][kUsed];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v) column[i][v] = S::load_bytes(b + (i * kVecs + v) * S::kBytes);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const auto x = quad<S>(a[m] + k), y = quad<S>(a[m] + k + 4);
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v)
        acc[m][v] = S::dot2(
            acc[m][v], S::add(S::mul_pairs(x, column[0][v]), S::mul_pairs(y, column[1][v])), ones);
    }
  }

  // What is behind the first couples of a position: the other runs and the quad that is not whole.
  // Apart, so that the loop over couples has the registers to itself.
  template <typename S, int kVecs, int kUsed, int kRows>
  [[gnu::noinline]] static void add_rest(const GemmU8S8Panel& p, const uint8_t* const (&a)[kRows],
                                         int64_t k, const int8_t*& b, const int32_t*& run,
                                         typename S::s32 (&sums)[kRows][kUsed]) noexcept {
    constexpr int64_t kLine = kVecs * S::kBytes;
    const int64_t whole = p.tile.k & ~int64_t{3}, tail = p.tile.k & 3;
    typename S::s32 acc[kRows][kUsed];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v) acc[i][v] = sums[i][v];
    while (k != whole) {
      keep<S>(acc);
      for (int64_t i = *run++; i > 0; --i, k += 4, b += kLine)
        add_quad<S, kUsed, kRows>(a, k, b, acc);
      keep<S>(acc);
      if (k == whole) break;
      for (int64_t i = *run++; i > 0; --i, k += 8, b += 2 * kLine)
        add_couple<S, kVecs, kUsed, kRows>(a, k, b, acc);
    }
    if (tail > 0) {
      uint32_t last[kRows];
      const uint32_t* quads[kRows];
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        last[i] = a[i][whole];
        if (tail > 1) last[i] |= static_cast<uint32_t>(a[i][whole + 1]) << 8;
        if (tail > 2) last[i] |= static_cast<uint32_t>(a[i][whole + 2]) << 16;
        quads[i] = &last[i];
      }
      add_quad<S, kUsed, kRows>(quads, 0, b, acc);
      b += kLine;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v) sums[i][v] = acc[i][v];
  }

  template <typename S, int kMr, int kVecs, int kUsed, int kRows>
  [[gnu::always_inline]] static void sum(const GemmU8S8Panel& p, int64_t m,
                                         const typename S::s32 (&bias)[kUsed],
                                         typename S::s32 (&acc)[kRows][kUsed]) noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v) acc[i][v] = bias[v];
    const int8_t* b = p.tile.b;
    if constexpr (kPlain) {
      const uint8_t* a[kRows];
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) a[i] = p.tile.a[m + i];
      keep<S>(acc);
      for (int64_t k = 0; k < p.tile.k; k += 8, b += 2 * kVecs * S::kBytes)
        add_couple<S, kVecs, kUsed, kRows>(a, k, b, acc);
      keep<S>(acc);
      return;
    }
    const int32_t* run = p.runs;
    for (int64_t position = 0; position < p.tile.positions; ++position) {
      const uint8_t* a[kRows];
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) a[i] = p.tile.a[position * p.pitch + m + i];
      const int64_t couples = *run++;
      // `keep` around the loop: the compiler would hold sums in memory.
      keep<S>(acc);
      for (int64_t k = 0; k < 8 * couples; k += 8, b += 2 * kVecs * S::kBytes)
        add_couple<S, kVecs, kUsed, kRows>(a, k, b, acc);
      keep<S>(acc);
      if (8 * couples == p.tile.k) continue;
      typename S::s32 sums[kRows][kUsed];
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
        for (int v = 0; v < kUsed; ++v) sums[i][v] = acc[i][v];
      const int8_t* next = b;
      const int32_t* after = run;
      add_rest<S, kVecs, kUsed, kRows>(p, a, 8 * couples, next, after, sums);
      b = next, run = after;
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
        for (int v = 0; v < kUsed; ++v) acc[i][v] = sums[i][v];
    }
  }
};

template <typename S, int kMr>
void any_fours_panel(const GemmU8S8Panel& p) noexcept {
  if (p.tile.a_signed)
    any_panel<S, kMr, Fours<true>>(p);
  else if (p.tile.positions == 1 && 8 * *p.runs == p.tile.k)
    any_panel<S, kMr, Fours<false, true>>(p);
  else
    any_panel<S, kMr, Fours<false>>(p);
}
