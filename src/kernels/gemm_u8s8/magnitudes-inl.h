// The form `magnitudes` over the vector language; after panels-inl.h, which see.

// kRows prepared rows times the first kUsed of a panel's kVecs vectors of columns, added to acc.
// kSigns: with the sign s of a (all ones if a < 0), |a| * (w ^ s) is a * w, less |a| where a < 0:
// `starts` makes up for that. Otherwise the products of the low seven bits.
template <typename S, int kVecs, int kUsed, int kRows, bool kSigns>
[[gnu::always_inline]] inline void add_products(const GemmU8S8Panel& p, const std::byte* prepared,
                                                typename S::s32 (&acc)[kRows][kUsed]) noexcept {
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes;
  const typename S::s16 ones = S::set_words(1);
  const auto product = [&](const std::byte* a, B column) {
    if constexpr (kSigns) column = S::bit_xor(column, S::load_quad(a + kBytes));
    return S::mul_pairs(S::load_quad(a), column);
  };
  // Singles first, `keep` around each loop: the compiler would hold sums in memory.
  const int8_t* b = p.tile.b + p.pairs * 2 * kVecs * kBytes;
  keep<S>(acc);
#pragma GCC unroll 2
  for (int64_t i = 0; i < p.singles; ++i, b += kVecs * kBytes) {
    const std::byte* only = prepared + p.order[2 * p.pairs + i];
    B column[kUsed];
#pragma GCC unroll 8
    for (int v = 0; v < kUsed; ++v) column[v] = S::load_bytes(b + v * kBytes);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v)
        acc[m][v] = S::dot2(acc[m][v], product(only + m * 2 * kBytes, column[v]), ones);
  }
  keep<S>(acc);
  b = p.tile.b;
  const int32_t* order = p.order;
  for (int64_t i = 0; i < p.pairs; ++i, order += 2, b += 2 * kVecs * kBytes) {
    const std::byte *first = prepared + order[0], *second = prepared + order[1];
    B column[2][kUsed];
#pragma GCC unroll 8
    for (int v = 0; v < kUsed; ++v) {
      column[0][v] = S::load_bytes(b + v * kBytes);
      column[1][v] = S::load_bytes(b + (kVecs + v) * kBytes);
    }
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v)
        acc[m][v] = S::dot2(acc[m][v],
                            S::add(product(first + m * 2 * kBytes, column[0][v]),
                                   product(second + m * 2 * kBytes, column[1][v])),
                            ones);
  }
}

// acc = bias + 128 * (products of the high digits).
template <typename S, int kMr, int kVecs, int kUsed, int kRows>
[[gnu::always_inline]] inline void start_with_high_digits(
    const GemmU8S8Panel& p, const std::byte* prepared, const int32_t* high,
    const typename S::s32 (&bias)[kUsed], typename S::s32 (&acc)[kRows][kUsed]) noexcept {
  constexpr int kBytes = S::kBytes;
  const int32_t *begin = high + 1, *end = begin + 2 * *high;
  typename S::s32 start[kUsed];
#pragma GCC unroll 8
  for (int v = 0; v < kUsed; ++v) start[v] = bias[v];
  if (p.base) {
    // h + 1 is kept: the weights alone are taken off again.
    const auto ones = S::set_quads(0x01010101u);
    const auto off = S::set_words(-128);
    for (const int32_t* i = begin; i < end; i += 2) {
      const int8_t* b = p.tile.b + p.places[i[1]];
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v)
        start[v] = S::dot2(start[v], S::mul_pairs(ones, S::load_bytes(b + v * kBytes)), off);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kUsed; ++v) acc[m][v] = start[v];
  const auto times = S::set_words(128);
  for (const int32_t* i = begin; i < end; i += 2) {
    const std::byte* a = prepared + i[0];
    const int8_t* b = p.tile.b + p.places[i[1]];
#pragma GCC unroll 8
    for (int v = 0; v < kUsed; ++v) {
      const auto column = S::load_bytes(b + v * kBytes);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m)
        acc[m][v] =
            S::dot2(acc[m][v], S::mul_pairs(S::load_quad(a + m * 2 * kBytes), column), times);
    }
    keep<S>(acc);
  }
}

// How a tile of prepared rows is summed (panels-inl.h).
struct Signs {
  template <typename S, int kUsed>
  static void start(const GemmU8S8Panel&, typename S::s32 (&)[kUsed]) noexcept {}
  template <typename S, int kMr, int kVecs, int kUsed, int kRows>
  [[gnu::always_inline]] static void sum(const GemmU8S8Panel& p, int64_t m,
                                         const typename S::s32 (&bias)[kUsed],
                                         typename S::s32 (&acc)[kRows][kUsed]) noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v) acc[i][v] = S::add(bias[v], S::set(p.starts[m + i]));
    add_products<S, kVecs, kUsed, kRows, true>(p, p.prepared + m / kMr * p.prepared_bytes, acc);
  }
};
struct Splits {
  // The bias is that of A counted from 128.
  template <typename S, int kUsed>
  static void start(const GemmU8S8Panel& p, typename S::s32 (&bias)[kUsed]) noexcept {
#pragma GCC unroll 8
    for (int v = 0; v < kUsed; ++v)
      bias[v] = S::sub(bias[v], S::mul(S::load(p.sums + v * S::kLanes), S::set(128 - p.base)));
  }
  template <typename S, int kMr, int kVecs, int kUsed, int kRows>
  [[gnu::always_inline]] static void sum(const GemmU8S8Panel& p, int64_t m,
                                         const typename S::s32 (&bias)[kUsed],
                                         typename S::s32 (&acc)[kRows][kUsed]) noexcept {
    const std::byte* prepared = p.prepared + m / kMr * p.prepared_bytes;
    start_with_high_digits<S, kMr, kVecs, kUsed, kRows>(
        p, prepared, p.high + m / kMr * p.high_stride, bias, acc);
    add_products<S, kVecs, kUsed, kRows, false>(p, prepared, acc);
  }
};

template <typename S, int kMr>
void any_magnitudes_panel(const GemmU8S8Panel& p) noexcept {
  if (p.preparation == GemmU8S8Preparation::signs)
    any_panel<S, kMr, Signs>(p);
  else
    any_panel<S, kMr, Splits>(p);
}

// Few bytes of unknown number, eight at a time, the last eight overlapping.
inline void copy_few(uint8_t* to, const uint8_t* from, int64_t n) noexcept {
  if (n < 8 || n > 64) {
    std::memcpy(to, from, static_cast<size_t>(n));
    return;
  }
  for (int64_t i = 0; i + 8 <= n; i += 8) std::memcpy(to + i, from + i, 8);
  std::memcpy(to + n - 8, from + n - 8, 8);
}

// The elements of row m as they lie, or gathered if they have gaps or the last quad is not whole.
inline const uint8_t* line_of(const GemmU8S8Rows& r, int64_t m, uint8_t* line,
                              uint8_t pad) noexcept {
  const int64_t all = r.positions * r.k;
  if (r.positions == 1 && all % 4 == 0) return r.a[m];
  for (int64_t p = 0; p < r.positions; ++p) copy_few(line + p * r.k, r.a[p * r.pitch + m], r.k);
  for (int64_t k = all; k % 4; ++k) line[k] = pad;
  return line;
}

// A tile of signs. kSums: also the sums of a.
template <typename S, int kMr, bool kSums>
[[gnu::always_inline]] inline void prepare_signs(const GemmU8S8Rows& r, int64_t first,
                                                 int rows) noexcept {
  using I = typename S::s32;
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes, kGroups = (kMr + 3) / 4;
  const B flip = S::set_quads(r.a_signed ? 0 : 0x80808080u);
  const int64_t bytes = (r.positions * r.k + 3) / 4 * 4, whole = bytes / kBytes * kBytes;
  const int left = static_cast<int>(bytes - whole);
  // What lies behind the last quad is never multiplied, but it is summed: as zeros of A.
  const int32_t excess = r.a_signed || left == 0 ? 0 : 128 * (kBytes - left);
  // Sums of |a|, over all and over the negative ones.
  I all[kGroups][4], negative[kGroups][4];
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) all[g][i] = negative[g][i] = S::set(int32_t{0});
#pragma GCC unroll 16
  for (int m = 0; m < kMr; ++m) {
    if (m >= rows) break;
    std::byte* to = r.prepared + first / kMr * r.prepared_bytes + m * 2 * kBytes;
    I plus = S::set(int32_t{0}), minus = plus;
    const auto put = [&](B a) {
      a = S::bit_xor(a, flip);
      const B sign = S::negative(a), size = S::magnitude(a);
      S::store_bytes(to, size);
      S::store_bytes(to + kBytes, sign);
      to += kMr * 2 * kBytes;
      minus = S::add_bytes(minus, S::bit_and(size, sign));
      if constexpr (kSums) plus = S::add_bytes(plus, size);
    };
    const uint8_t* a = line_of(r, first + m, r.line, r.a_signed ? 0 : 0x80);
    for (int64_t k = 0; k < whole; k += kBytes) put(S::load_bytes(a + k));
    if (left) put(S::load_bytes_partial(a + whole, left));
    all[m / 4][m % 4] = plus;
    negative[m / 4][m % 4] = minus;
  }
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g) {
    int32_t* starts = r.starts + first + 4 * g;
    if (4 * g >= rows) break;
    S::sum_lanes(negative[g], starts);
    for (int i = 0; i < 4; ++i) starts[i] -= excess;
    if constexpr (kSums) {
      int32_t* sums = r.sums + first + 4 * g;
      S::sum_lanes(all[g], sums);
      for (int i = 0; i < 4; ++i) sums[i] -= excess + 2 * starts[i];
    }
  }
}

// What does not change from vector to vector of splits.
template <typename S>
struct SplitConstants {
  typename S::bytes flip, base, low, one, minus;
  explicit SplitConstants(const GemmU8S8Rows& r) noexcept
      : flip(S::set_quads(r.a_signed ? 0x80808080u : 0)),
        base(S::set_quads(0x01010101u * r.base)),
        low(S::set_quads(0x7f7f7f7fu)),
        one(S::set_quads(0x01010101u)),
        minus(S::set_quads(r.base ? 0xffffffffu : 0)) {}
};

// One vector of each row from byte k on; adds the quads with high digits to `high`.
template <typename S, int kMr, bool kWhole>
[[gnu::always_inline]] inline int32_t* split_vectors(const uint8_t* const (&lines)[kMr], int rows,
                                                     int64_t k, int left,
                                                     const SplitConstants<S>& c, std::byte* to,
                                                     int32_t* high) noexcept {
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes;
  B any = S::set_quads(0);
#pragma GCC unroll 16
  for (int m = 0; m < kMr; ++m, to += 2 * kBytes) {
    if (m >= rows) break;
    const uint8_t* from = lines[m] + k;
    const B a =
        S::bit_xor(kWhole ? S::load_bytes(from) : S::load_bytes_partial(from, left), c.flip);
    const B u = S::sub_bytes(a, c.base), outside = S::negative(u);
    // 1 above the base, -1 below it.
    const B digit = S::bit_and(outside, S::bit_or(S::below(a, c.base), c.one));
    S::store_bytes(to, S::bit_and(u, c.low));
    S::store_bytes(to + kBytes, S::sub_bytes(digit, c.minus));
    any = S::bit_or(any, outside);
  }
  uint32_t quads = S::quads_with_bits(any);
  if constexpr (!kWhole) quads &= (1u << (left / 4)) - 1;
  for (; quads; quads &= quads - 1, high += 2) {
    const int lane = std::countr_zero(quads);
    high[0] = static_cast<int32_t>(k * kMr * 2) + kBytes + lane * 4;
    high[1] = static_cast<int32_t>(k / 4) + lane;
  }
  return high;
}

// A tile of splits.
template <typename S, int kMr>
[[gnu::always_inline]] inline void prepare_splits(const GemmU8S8Rows& r, int64_t first,
                                                  int rows) noexcept {
  constexpr int kBytes = S::kBytes;
  const SplitConstants<S> constants(r);
  const int64_t bytes = (r.positions * r.k + 3) / 4 * 4, whole = bytes / kBytes * kBytes;
  const auto pad = static_cast<uint8_t>(r.base ^ (r.a_signed ? 0x80 : 0));
  const uint8_t* lines[kMr];
  for (int m = 0; m < rows; ++m) lines[m] = line_of(r, first + m, r.line + m * bytes, pad);
  std::byte* to = r.prepared + first / kMr * r.prepared_bytes;
  int32_t* count = r.high + first / kMr * r.high_stride;
  int32_t* high = count + 1;
  for (int64_t k = 0; k < whole; k += kBytes, to += kMr * 2 * kBytes)
    high = rows == kMr ? split_vectors<S, kMr, true>(lines, kMr, k, kBytes, constants, to, high)
                       : split_vectors<S, kMr, true>(lines, rows, k, kBytes, constants, to, high);
  if (whole < bytes)
    high = split_vectors<S, kMr, false>(lines, rows, whole, static_cast<int>(bytes - whole),
                                        constants, to, high);
  *count = static_cast<int32_t>(high - count - 1) / 2;
}

template <typename S, int kMr>
void prepare_rows(const GemmU8S8Rows& r) noexcept {
  for (int64_t m = r.rows.begin; m < r.rows.end; m += kMr) {
    const int rows = static_cast<int>(r.rows.end - m < kMr ? r.rows.end - m : kMr);
    if (r.preparation == GemmU8S8Preparation::splits)
      prepare_splits<S, kMr>(r, m, rows);
    else if (r.sums)
      prepare_signs<S, kMr, true>(r, m, rows);
    else
      prepare_signs<S, kMr, false>(r, m, rows);
  }
}
