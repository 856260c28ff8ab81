// The form `tiles` over the vector language, with vectors of 16 lanes; after epilogue-inl.h, which
// see.

// Where the rows of a group of two tiles lead to.
struct TilesGroup {
  int64_t rows;    // with gaps
  int64_t result;  // the first that is not in a gap
  int64_t column;  // of its first row, in a stretch and its gap

  TilesGroup(const GemmU8S8Panel& p, int64_t first, int64_t most) noexcept
      : rows(std::min(most, p.rows - first)), result(first), column(p.at + first) {
    if (!p.gap) return;
    const int64_t period = p.stretch + p.gap, line = column / period;
    column -= line * period;
    result = line * p.stretch + std::min(column, p.stretch) - p.at;
  }
};

// Memory of a finisher: apart, so that what else it has stays in registers.
template <typename S>
struct TilesPlaces {
  static constexpr int kRows = 2 * S::Tiles::kRows;
  std::byte* results[kRows];
  const float* residuals[kRows];
  alignas(64) std::byte astray[2 * S::kBytes] = {};  // where rows go that are no results
};

// What leaves for results without ceremony: bytes of small scales, or floats. Sums of a pair of
// tiles are finished two rows at a time, while the next pair is summed: processors look ahead some
// hundred instructions, and would leave the tiles idle for as long as it takes to finish a pair.
template <typename S, GemmOutput kKind, bool kWhole>
struct TilesFinisher {
  static constexpr int kRows = 2 * S::Tiles::kRows, kColumns = 2 * S::kLanes;
  static constexpr int kElement = kKind == GemmOutput::f32 ? 4 : 1;
  using F = typename S::f32;
  using I = typename S::s32;

  [[gnu::always_inline]] inline TilesFinisher(const GemmU8S8Panel& p,
                                              TilesPlaces<S>& memory) noexcept
      : places(memory),
        cols(p.tile.cols),
        zero(p.tile.epilogue->zero),
        qmin(p.tile.epilogue->qmin),
        qmax(p.tile.epilogue->qmax),
        clamps(p.tile.epilogue->clamps()),
        adds(p.tile.residual) {
    low = S::set(p.tile.epilogue->min);
    high = S::set(p.tile.epilogue->max);
  }
  int columns(int v) const noexcept {
    return kWhole ? S::kLanes : std::clamp(cols - v * S::kLanes, 0, S::kLanes);
  }

  // New sums, [kRows][kColumns], of the panel-th panel.
  [[gnu::always_inline]] inline void take(const GemmU8S8Panel& p, int64_t first, int64_t panel,
                                          int32_t* from) noexcept {
    GemmU8S8Tile t = p.tile;
    t.n0 += panel * kColumns;
    const float* fbias = t.epilogue->fbias ? t.epilogue->fbias + t.n0 : nullptr;
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      bias[v] = bias_of<S>(t, v);
      scale[v] = scale_of<S, kWhole>(t, v);
      if constexpr (kKind == GemmOutput::f32)
        real_bias[v] = fbias ? S::load_partial(fbias + v * S::kLanes, columns(v)) : S::set(0.0f);
    }
    sums = from;
    next = 0;
    const TilesGroup group(p, first, kRows);
    left = static_cast<int>(group.rows);
    const int64_t step = t.out_stride * kElement;
    std::byte* out =
        static_cast<std::byte*>(t.out) + group.result * step + panel * kColumns * kElement;
    const int64_t add_step = adds ? t.epilogue->residual_stride : 0;
    const float* add = adds ? t.residual + group.result * add_step + panel * kColumns : nullptr;
    if (left == kRows && group.column + kRows <= p.stretch) {
      for (int i = 0; i < kRows; ++i) places.results[i] = out + i * step;
      if constexpr (kKind == GemmOutput::f32)
        for (int i = 0; i < kRows; ++i) places.residuals[i] = add + i * add_step;
      return;
    }
    int64_t at = group.column;
    for (int i = 0; i < kRows; ++i) {
      const bool result = i < left && at < p.stretch;
      places.results[i] = result ? out : places.astray;
      out += result ? step : 0;
      if constexpr (kKind == GemmOutput::f32) {
        places.residuals[i] = result ? add : reinterpret_cast<const float*>(places.astray);
        add += result ? add_step : 0;
      }
      at = at + 1 == p.stretch + p.gap ? 0 : at + 1;
    }
  }
  // Finishes up to `pairs` of rows.
  [[gnu::always_inline]] inline void some(int pairs) noexcept {
    const int end = std::min(next + 2 * pairs, left);
    for (; next < end; next += 2) {
      const int32_t* from = sums + next * kColumns;
      if constexpr (kKind == GemmOutput::f32) {
        leave_row(next, from);
        leave_row(next + 1, from + kColumns);
      } else {
        leave_pair(next, from);
      }
    }
  }

  [[gnu::always_inline]] inline void leave_pair(int i, const int32_t* from) const noexcept {
    I q[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      q[j] = S::round(
          S::mul(S::to_f32(S::add(S::load(from + j * S::kLanes), bias[j % 2])), scale[j % 2]));
    auto bytes = kKind == GemmOutput::u8 ? S::join_u8(q, zero) : S::join_s8(q, zero);
    if (clamps)
      bytes =
          kKind == GemmOutput::u8 ? S::clamp_u8(bytes, qmin, qmax) : S::clamp_s8(bytes, qmin, qmax);
    if constexpr (kWhole)
      S::store_halves(places.results[i], places.results[i + 1], bytes);
    else
      S::store_halves_partial(places.results[i], places.results[i + 1], bytes, cols);
  }
  [[gnu::always_inline]] inline void leave_row(int i, const int32_t* from) const noexcept {
    auto* to = reinterpret_cast<float*>(places.results[i]);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const I acc = S::add(S::load(from + v * S::kLanes), bias[v]);
      F y = S::add(S::mul(S::to_f32(acc), scale[v]), real_bias[v]);
      const int n = columns(v);
      const float* add = places.residuals[i] + v * S::kLanes;
      if (adds) y = S::add(y, kWhole ? S::load(add) : S::load_partial(add, n));
      y = S::min(high, S::max(low, y));
      if constexpr (kWhole)
        S::store(to + v * S::kLanes, y);
      else
        S::store_partial(to + v * S::kLanes, y, n);
    }
  }

  TilesPlaces<S>& places;
  F scale[2], real_bias[2], low, high;
  I bias[2];
  const int cols, zero, qmin, qmax;
  const bool clamps, adds;
  const int32_t* sums = nullptr;
  int next = 0, left = 0;  // of their rows
};

// The same for whatever else leaves, a pair of tiles at a time.
template <typename S>
struct TilesFinisher<S, GemmOutput::s32, false> {
  static constexpr int kRows = 2 * S::Tiles::kRows, kColumns = 2 * S::kLanes;
  TilesFinisher(const GemmU8S8Panel&, TilesPlaces<S>&) noexcept {}

  void take(const GemmU8S8Panel& p, int64_t first, int64_t panel, int32_t* from) noexcept {
    GemmU8S8Tile t = p.tile;
    const int64_t element = element_bytes(t.epilogue->kind);
    t.n0 += panel * kColumns;
    const TilesGroup group(p, first, kRows);
    for (int v = 0; v < 2; ++v) {
      const auto bias = bias_of<S>(t, v);
      for (int64_t i = v; i < group.rows * 2; i += 2)
        S::store(from + i * S::kLanes, S::add(S::load(from + i * S::kLanes), bias));
    }
    const auto move = [&](int64_t rows, int64_t columns) {
      t.out = static_cast<std::byte*>(t.out) + (rows * t.out_stride + columns) * element;
      if (t.row_sums) t.row_sums += rows;
      if (t.residual) t.residual += rows * t.epilogue->residual_stride + columns;
    };
    move(group.result, panel * kColumns);
    for (int64_t left = group.rows, at = group.column, next; left > 0; left -= next) {
      const bool result = at < p.stretch;
      next = std::min(left, (result ? p.stretch : p.stretch + p.gap) - at);
      if (result) {
        finish<S, 2>(t, static_cast<int>(next), from);
        move(next, 0);
      }
      from += next * kColumns;
      at = at + next == p.stretch + p.gap ? 0 : at + next;
    }
  }
  void some(int) noexcept {}
};

// Sums of one or two tiles of rows and of columns, [2 * 16][2 * 16] int32. `fetch`: bytes to ask
// for at each step of k, from `next` on. `pairs`: of rows to finish now and then.
template <typename S, bool kSigned, bool kTwoRows, bool kTwoColumns, typename Finisher>
[[gnu::always_inline]] inline void sum_tiles(const GemmU8S8Panel& p, const std::byte* a,
                                             const int8_t* b, const int8_t* next, int64_t fetch,
                                             Finisher& finisher, int pairs,
                                             int32_t* sums) noexcept {
  using T = typename S::Tiles;
  constexpr int64_t kPitch = 2 * T::kRowBytes, kDown = T::kRows * kPitch / 4;
  const int64_t pitch = p.prepared_bytes;
  T::template clear<0>();
  if constexpr (kTwoColumns) T::template clear<1>();
  if constexpr (kTwoRows) T::template clear<2>();
  if constexpr (kTwoRows && kTwoColumns) T::template clear<3>();
  const int64_t* offset = p.offsets;
  const int64_t* const last = offset + p.lines;
  const std::byte *at = a + *offset, *end = at + p.tile.k;
  while (offset != last) {
    T::template load<4>(at, pitch);
    if constexpr (kTwoRows) T::template load<5>(at + T::kRows * pitch, pitch);
    T::template load<6>(b, kPitch);
    if constexpr (kTwoColumns) T::template load<7>(b + T::kRowBytes, kPitch);
    T::template dot<0, 4, 6, kSigned>();
    if constexpr (kTwoColumns) T::template dot<1, 4, 7, kSigned>();
    if constexpr (kTwoRows) T::template dot<2, 5, 6, kSigned>();
    if constexpr (kTwoRows && kTwoColumns) T::template dot<3, 5, 7, kSigned>();
    for (const int8_t* upto = next + fetch; next < upto; next += 64) __builtin_prefetch(next, 0, 2);
    finisher.some(pairs);
    b += T::kRows * kPitch;
    at += T::kRowBytes;
    if (at == end && ++offset != last) {
      at = a + *offset;
      end = at + p.tile.k;
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

template <typename S, bool kSigned, bool kTwoColumns, typename Finisher>
void tiles_block(const GemmU8S8Panel& given) noexcept {
  using T = typename S::Tiles;
  constexpr int64_t kRows = 2 * T::kRows, kStep = 2 * T::kRows * T::kRowBytes;
  // Own copies, which what is stored cannot change.
  GemmU8S8Panel p = given;
  const GemmU8S8Epilogue e = *p.tile.epilogue;
  p.tile.epilogue = &e;
  TilesPlaces<S> places;
  Finisher finisher(p, places);
  alignas(64) int32_t sums[2][kRows * 2 * S::kLanes];
  const int64_t steps = p.lines * (p.tile.k / T::kRowBytes), panel_bytes = steps * kStep;
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
    const int8_t* b = p.tile.b + panel * panel_bytes;
    const bool more = panel + 1 < p.panels && (!p.by_rows || group == 0);
    const int64_t fetch = more ? share : 0;
    const int8_t* next = b + panel_bytes + (p.by_rows ? 0 : group * share * steps);
    int32_t* to = sums[i % 2];
    if (p.rows - m > T::kRows)
      sum_tiles<S, kSigned, true, kTwoColumns>(p, a, b, next, fetch, finisher, pairs, to);
    else
      sum_tiles<S, kSigned, false, kTwoColumns>(p, a, b, next, fetch, finisher, pairs, to);
    finisher.take(p, m, panel, to);
    int64_t& inner = p.by_rows ? panel : group;
    int64_t& outer = p.by_rows ? group : panel;
    if (++inner == (p.by_rows ? p.panels : groups)) inner = 0, ++outer;
  }
  finisher.some(kRows);
}

template <typename S, bool kTwoColumns, typename Finisher>
void tiles_block(const GemmU8S8Panel& p) noexcept {
  p.tile.a_signed ? tiles_block<S, true, kTwoColumns, Finisher>(p)
                  : tiles_block<S, false, kTwoColumns, Finisher>(p);
}

template <typename S, GemmOutput kKind>
void tiles_kind(const GemmU8S8Panel& p) noexcept {
  if (p.tile.cols == 2 * S::kLanes)
    tiles_block<S, true, TilesFinisher<S, kKind, true>>(p);
  else if (p.tile.cols > S::kLanes)
    tiles_block<S, true, TilesFinisher<S, kKind, false>>(p);
  else
    tiles_block<S, false, TilesFinisher<S, kKind, false>>(p);
}

template <typename S>
void any_tiles_panel(const GemmU8S8Panel& p) noexcept {
  static_assert(S::kLanes == 16);
  const GemmU8S8Epilogue& e = *p.tile.epilogue;
  if (!p.tile.row_sums) {
    if (e.kind == GemmOutput::f32) return tiles_kind<S, GemmOutput::f32>(p);
    if (e.kind == GemmOutput::u8 && e.small_scales) return tiles_kind<S, GemmOutput::u8>(p);
    if (e.kind == GemmOutput::s8 && e.small_scales) return tiles_kind<S, GemmOutput::s8>(p);
  }
  tiles_block<S, true, TilesFinisher<S, GemmOutput::s32, false>>(p);
}

// Copies rows together. Half: vectors as long as what may be read of a line that is joined.
template <typename S, typename Half>
void lay_rows(const GemmU8S8Rows& given) noexcept {
  const GemmU8S8Rows r = given;
  if (r.apart) {
    static_assert(Half::kBytes == RowSource::kLineBytes);
    for (int64_t m = r.rows.begin; m < r.rows.end; ++m) {
      std::byte* to = r.prepared + m * r.prepared_bytes;
      const uint8_t* from = r.a[m];
      for (int64_t i = 0; i < r.positions; ++i, to += r.k, from += r.apart)
        Half::store_bytes(to, Half::load_bytes(from));
    }
    return;
  }
  const int64_t whole = r.k / S::kBytes * S::kBytes;
  const int rest = static_cast<int>(r.k - whole);
  for (int64_t m = r.rows.begin; m < r.rows.end; ++m) {
    std::byte* to = r.prepared + m * r.prepared_bytes;
    for (int64_t i = 0; i < r.positions; ++i, to += r.k) {
      const uint8_t* from = r.a[i * r.pitch + m];
      for (int64_t k = 0; k < whole; k += S::kBytes)
        S::store_bytes(to + k, S::load_bytes(from + k));
      if (rest) S::store_bytes_partial(to + whole, S::load_bytes_partial(from + whole, rest), rest);
    }
  }
}
