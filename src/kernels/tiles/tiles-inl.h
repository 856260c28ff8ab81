// Products by tiles over the vector language, with vectors of 16 lanes. Included inside the target
// region and the namespace of one ISA, so that each has instances of its own. No include guard.
//
// Operands are given by a struct `Dot`, with the type `Sum` of their sums, of 4 bytes, and
//   dot<kSum, kA, kB>()  adds the products of two tiles to the sums of a third
// What becomes of the sums, by a `Finisher`, with
//   take(p, first, pair, sums)  new sums, [32][32], of the rows from `first` on and of a pair of
//                               panels
//   some(pairs)                 finishes up to so many pairs of their rows
// Sums of a group of tiles can so be finished while the next group is summed: processors look ahead
// some hundred instructions, and would leave the tiles idle for as long as it takes to finish one.

// The rows of a group of tiles, of which some may be gaps.
struct TilesGroup {
  int64_t rows;    // with gaps
  int64_t result;  // the first that is not in a gap
  int64_t column;  // of its first row, in a stretch and its gap
  int64_t results = rows;

  TilesGroup(const TilesPanel& p, int64_t first) noexcept
      : rows(std::min(2 * tiles::kRows, p.rows - first)), result(first), column(p.at + first) {
    if (!p.gap) return;
    const int64_t period = p.stretch + p.gap, line = column / period;
    column -= line * period;
    result = line * p.stretch + std::min(column, p.stretch) - p.at;
    const int64_t end = column + rows, more = end / period;
    results =
        more * p.stretch + std::min(end - more * period, p.stretch) - std::min(column, p.stretch);
  }
};

// Goes through the results of sums [rows][32], without those in gaps.
template <typename Sum>
struct TilesResults {
  static constexpr int64_t kColumns = tiles::kColumns;

  explicit TilesResults(const TilesPanel& p) noexcept
      : stretch(p.stretch), jump((p.gap + 1) * kColumns) {}
  [[gnu::always_inline]] inline void start(const TilesGroup& group, const Sum* sums) noexcept {
    left = static_cast<int>(group.results);
    const int64_t period = stretch + jump / kColumns - 1;
    const bool inside = group.column < stretch;
    at = inside ? group.column : 0;
    from = sums + (inside ? 0 : (period - group.column) * kColumns);
  }
  // Where the sums of the next one are.
  [[gnu::always_inline]] inline const Sum* next() noexcept {
    const Sum* here = from;
    const bool last = ++at == stretch;
    from += last ? jump : kColumns;
    at = last ? 0 : at;
    return here;
  }

  const int64_t stretch, jump;
  const Sum* from = nullptr;
  int64_t at = 0;
  int left = 0;
};

// A vector of a row of floats on its way out, or the first n of it: with what is added if `adds`,
// clamped.
template <typename S, bool kWhole, typename T>
[[gnu::always_inline]] inline void leave_floats(typename S::f32 y, bool adds, const T* add,
                                                typename S::f32 low, typename S::f32 high, T* to,
                                                int n) noexcept {
  if (adds) y = S::add(y, kWhole ? S::load(add) : S::load_partial(add, n));
  y = S::min(high, S::max(low, y));
  if constexpr (kWhole)
    S::store(to, y);
  else
    S::store_partial(to, y, n);
}

// Sums of one or two tiles of rows times one or two of columns, which lie `apart` bytes apart,
// [2 * 16][2 * 16]. `fetch`: bytes to ask for at each step of k, from `next` on. `pairs`: of
// rows to finish now and then.
template <typename S, typename Dot, bool kTwoRows, bool kTwoColumns, typename Finisher>
[[gnu::always_inline]] inline void sum_tiles(const TilesPanel& p, const std::byte* a,
                                             const std::byte* b, int64_t apart,
                                             const std::byte* next, int64_t fetch,
                                             Finisher& finisher, int pairs,
                                             typename Dot::Sum* sums) noexcept {
  using T = typename S::Tiles;
  constexpr int64_t kPitch = 2 * T::kRowBytes, kDown = T::kRows * kPitch / 4;
  const int64_t pitch = p.prepared_bytes;
  T::template clear<0>();
  if constexpr (kTwoColumns) T::template clear<1>();
  if constexpr (kTwoRows) T::template clear<2>();
  if constexpr (kTwoRows && kTwoColumns) T::template clear<3>();
  const int64_t* offset = p.offsets;
  const int64_t* const last = offset + p.lines;
  const std::byte *at = a + *offset, *end = at + p.line_bytes;
  while (offset != last) {
    T::template load<4>(at, pitch);
    if constexpr (kTwoRows) T::template load<5>(at + T::kRows * pitch, pitch);
    T::template load<6>(b, T::kRowBytes);
    if constexpr (kTwoColumns) T::template load<7>(b + apart, T::kRowBytes);
    Dot::template dot<0, 4, 6>();
    if constexpr (kTwoColumns) Dot::template dot<1, 4, 7>();
    if constexpr (kTwoRows) Dot::template dot<2, 5, 6>();
    if constexpr (kTwoRows && kTwoColumns) Dot::template dot<3, 5, 7>();
    for (const std::byte* upto = next + fetch; next < upto; next += 64)
      __builtin_prefetch(next, 0, 2);
    finisher.some(pairs);
    b += T::kRows * T::kRowBytes;
    at += T::kRowBytes;
    if (at == end && ++offset != last) {
      at = a + *offset;
      end = at + p.line_bytes;
    }
  }
  T::template store<0>(sums, kPitch);
  finisher.some(pairs);
  if constexpr (kTwoColumns) T::template store<1>(sums + 16, kPitch);
  finisher.some(pairs);
  if constexpr (kTwoRows) T::template store<2>(sums + kDown, kPitch);
  finisher.some(2 * T::kRows);
  if constexpr (kTwoRows && kTwoColumns) T::template store<3>(sums + kDown + 16, kPitch);
}

// All rows times all pairs of panels, packed from `weights` on. `p` is of the caller's own, so that
// what is stored cannot change it.
template <typename S, typename Dot, bool kTwoColumns, typename Panel, typename Finisher>
[[gnu::always_inline]] inline void walk_tiles(const Panel& p, const std::byte* weights,
                                              Finisher& finisher) noexcept {
  using T = typename S::Tiles;
  static_assert(S::kLanes == 16);
  constexpr int64_t kRows = 2 * T::kRows, kTile = T::kRows * T::kRowBytes, kStep = 2 * kTile;
  alignas(64) typename Dot::Sum sums[2][kRows * tiles::kColumns];
  const int64_t steps = p.lines * (p.line_bytes / T::kRowBytes);
  const int64_t apart = steps * kTile, pair_bytes = 2 * apart;
  const int64_t groups = (p.rows + kRows - 1) / kRows;
  // Of the last group, whole tiles: as many as its rows need.
  const int64_t end_rows = (p.rows - 1) % kRows < T::kRows ? T::kRows : kRows;
  // The next pair is asked for while all rows meet one; while the first ones do, if it is rows
  // that meet all panels one after the other.
  const int64_t share = p.by_rows ? kStep : (kStep / groups + 63) / 64 * 64;
  // So many that the last ones come between the stores.
  const int pairs = static_cast<int>((T::kRows + steps + 2) / (steps + 3));
  int64_t group = 0, pair = 0;
  for (int64_t i = 0; i < groups * p.panel_pairs; ++i) {
    const bool last = p.again && group == groups - 1;
    const int64_t first = last ? p.rows - end_rows : group * kRows;
    const std::byte* a = p.prepared + first * p.prepared_bytes;
    const std::byte* b = weights + pair * pair_bytes;
    const bool more = pair + 1 < p.panel_pairs && (!p.by_rows || group == 0);
    const int64_t fetch = more ? share : 0;
    const std::byte* next = b + pair_bytes + (p.by_rows ? 0 : group * share * steps);
    typename Dot::Sum* to = sums[i % 2];
    if (p.rows - first > T::kRows)
      sum_tiles<S, Dot, true, kTwoColumns>(p, a, b, apart, next, fetch, finisher, pairs, to);
    else
      sum_tiles<S, Dot, false, kTwoColumns>(p, a, b, apart, next, fetch, finisher, pairs, to);
    finisher.take(p, first, pair, to);
    int64_t& inner = p.by_rows ? pair : group;
    int64_t& outer = p.by_rows ? group : pair;
    if (++inner == (p.by_rows ? p.panel_pairs : groups)) inner = 0, ++outer;
  }
  finisher.some(kRows);
}

// Copies rows together. Half: vectors as long as what may be read of a line that is joined. kClean:
// with zeros behind them, up to a whole tile; else with anything.
template <typename S, typename Half, bool kClean = false>
void copy_rows(const TilesCopy& given) noexcept {
  const TilesCopy r = given;
  if (r.apart) {
    static_assert(Half::kBytes == RowSource::kLineBytes);
    for (int64_t m = 0; m < r.rows; ++m) {
      std::byte* to = r.to + m * r.pitch;
      const uint8_t* from = r.a[m];
      for (int64_t i = 0; i < r.positions; ++i, to += r.k, from += r.apart)
        Half::store_bytes(to, Half::load_bytes(from));
    }
    return;
  }
  const int64_t whole = r.k / S::kBytes * S::kBytes;
  const int rest = static_cast<int>(r.k - whole);
  const int64_t length = tiles::row_bytes(r.positions, r.k);
  for (int64_t m = 0; m < r.rows; ++m) {
    std::byte* to = r.to + m * r.pitch;
    if constexpr (kClean)
      if (length > 0) S::store_bytes(to + length - S::kBytes, S::load_bytes_partial(to, 0));
    for (int64_t i = 0; i < r.positions; ++i, to += r.k) {
      const uint8_t* from = r.a[i * r.rows + m];
      for (int64_t k = 0; k < whole; k += S::kBytes)
        S::store_bytes(to + k, S::load_bytes(from + k));
      if (rest) S::store_bytes_partial(to + whole, S::load_bytes_partial(from + whole, rest), rest);
    }
  }
}
