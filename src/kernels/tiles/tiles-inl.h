// Products by tiles over the vector language, with vectors of 16 lanes. Included inside the target
// region and the namespace of one ISA, so that each has instances of its own. No include guard.
//
// Operands are given by a struct `Dot`, with the type `Sum` of their sums, of 4 bytes, and
//   dot<kSum, kA, kB>()  adds the products of two tiles to the sums of a third
// What becomes of the sums, by a `Finisher`, with
//   take(p, first, panel, sums)  new sums, [32][32], of the rows from `first` on and of a panel
//   some(pairs)                  finishes up to so many pairs of their rows
// Sums of a pair of tiles can so be finished while the next pair is summed: processors look ahead
// some hundred instructions, and would leave the tiles idle for as long as it takes to finish one.

// Where the rows of a group of two tiles lead to.
struct TilesGroup {
  int64_t rows;    // with gaps
  int64_t result;  // the first that is not in a gap
  int64_t column;  // of its first row, in a stretch and its gap

  TilesGroup(const TilesPanel& p, int64_t first, int64_t most) noexcept
      : rows(std::min(most, p.rows - first)), result(first), column(p.at + first) {
    if (!p.gap) return;
    const int64_t period = p.stretch + p.gap, line = column / period;
    column -= line * period;
    result = line * p.stretch + std::min(column, p.stretch) - p.at;
  }
};

// Memory of a finisher: apart, so that what else it has stays in registers. Residuals are of R.
template <typename S, typename R>
struct TilesPlaces {
  static constexpr int kRows = 2 * S::Tiles::kRows;
  std::byte* results[kRows];
  const R* residuals[kRows];
  alignas(64) std::byte astray[2 * S::kBytes] = {};  // where rows go that are no results

  // Of the rows of a group, whose results begin at `out` and lie `step` bytes apart; with kAdds
  // also of their residuals.
  template <bool kAdds>
  [[gnu::always_inline]] inline void set(const TilesPanel& p, const TilesGroup& group,
                                         std::byte* out, int64_t step, const R* add,
                                         int64_t add_step) noexcept {
    if (group.rows == kRows && group.column + kRows <= p.stretch) {
      for (int i = 0; i < kRows; ++i) results[i] = out + i * step;
      if constexpr (kAdds)
        for (int i = 0; i < kRows; ++i) residuals[i] = add + i * add_step;
      return;
    }
    int64_t at = group.column;
    for (int i = 0; i < kRows; ++i) {
      const bool result = i < group.rows && at < p.stretch;
      results[i] = result ? out : astray;
      out += result ? step : 0;
      if constexpr (kAdds) {
        residuals[i] = result ? add : reinterpret_cast<const R*>(astray);
        add += result ? add_step : 0;
      }
      at = at + 1 == p.stretch + p.gap ? 0 : at + 1;
    }
  }
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

// Sums of one or two tiles of rows and of columns, [2 * 16][2 * 16]. `fetch`: bytes to ask for at
// each step of k, from `next` on. `pairs`: of rows to finish now and then.
template <typename S, typename Dot, bool kTwoRows, bool kTwoColumns, typename Finisher>
[[gnu::always_inline]] inline void sum_tiles(const TilesPanel& p, const std::byte* a,
                                             const std::byte* b, const std::byte* next,
                                             int64_t fetch, Finisher& finisher, int pairs,
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
    T::template load<6>(b, kPitch);
    if constexpr (kTwoColumns) T::template load<7>(b + T::kRowBytes, kPitch);
    Dot::template dot<0, 4, 6>();
    if constexpr (kTwoColumns) Dot::template dot<1, 4, 7>();
    if constexpr (kTwoRows) Dot::template dot<2, 5, 6>();
    if constexpr (kTwoRows && kTwoColumns) Dot::template dot<3, 5, 7>();
    for (const std::byte* upto = next + fetch; next < upto; next += 64)
      __builtin_prefetch(next, 0, 2);
    finisher.some(pairs);
    b += T::kRows * kPitch;
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

// All rows times all panels, packed from `weights` on. `p` is of the caller's own, so that what is
// stored cannot change it.
template <typename S, typename Dot, bool kTwoColumns, typename Panel, typename Finisher>
[[gnu::always_inline]] inline void walk_tiles(const Panel& p, const std::byte* weights,
                                              Finisher& finisher) noexcept {
  using T = typename S::Tiles;
  static_assert(S::kLanes == 16);
  constexpr int64_t kRows = 2 * T::kRows, kStep = 2 * T::kRows * T::kRowBytes;
  alignas(64) typename Dot::Sum sums[2][kRows * 2 * S::kLanes];
  const int64_t steps = p.lines * (p.line_bytes / T::kRowBytes), panel_bytes = steps * kStep;
  const int64_t groups = (p.rows + kRows - 1) / kRows;
  // The next panel is asked for while all rows meet one; while the first ones do, if it is rows
  // that meet all panels one after the other.
  const int64_t share = p.by_rows ? kStep : (kStep / groups + 63) / 64 * 64;
  // So many that the last ones come between the stores.
  const int pairs = static_cast<int>((T::kRows + steps + 2) / (steps + 3));
  int64_t group = 0, panel = 0;
  for (int64_t i = 0; i < groups * p.panels; ++i) {
    const int64_t m = group * kRows;
    const std::byte* a = p.prepared + m * p.prepared_bytes;
    const std::byte* b = weights + panel * panel_bytes;
    const bool more = panel + 1 < p.panels && (!p.by_rows || group == 0);
    const int64_t fetch = more ? share : 0;
    const std::byte* next = b + panel_bytes + (p.by_rows ? 0 : group * share * steps);
    typename Dot::Sum* to = sums[i % 2];
    if (p.rows - m > T::kRows)
      sum_tiles<S, Dot, true, kTwoColumns>(p, a, b, next, fetch, finisher, pairs, to);
    else
      sum_tiles<S, Dot, false, kTwoColumns>(p, a, b, next, fetch, finisher, pairs, to);
    finisher.take(p, m, panel, to);
    int64_t& inner = p.by_rows ? panel : group;
    int64_t& outer = p.by_rows ? group : panel;
    if (++inner == (p.by_rows ? p.panels : groups)) inner = 0, ++outer;
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
