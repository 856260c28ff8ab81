// The form `tiles` over the vector language; after epilogue-inl.h and kernels/tiles/tiles-inl.h,
// which see.

// What leaves for results without ceremony: bytes of small scales, or floats, two rows at a time.
template <typename S, GemmOutput kKind, bool kWhole>
struct TilesFinisher {
  static constexpr int kColumns = 2 * S::kLanes;
  static constexpr int kElement = kKind == GemmOutput::f32 ? 4 : 1;
  using F = typename S::f32;
  using I = typename S::s32;

  [[gnu::always_inline]] inline explicit TilesFinisher(const GemmU8S8Panel& p) noexcept
      : results(p),
        step(p.tile.out_stride * kElement),
        add_step(p.tile.epilogue->residual_stride),
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

  // New sums, [32][kColumns], of the pair-th pair.
  [[gnu::always_inline]] inline void take(const GemmU8S8Panel& p, int64_t first, int64_t pair,
                                          const int32_t* sums) noexcept {
    GemmU8S8Tile t = p.tile;
    t.n0 += pair * kColumns;
    const float* fbias = t.epilogue->fbias ? t.epilogue->fbias + t.n0 : nullptr;
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      bias[v] = bias_of<S>(t, v);
      scale[v] = scale_of<S, kWhole>(t, v);
      if constexpr (kKind == GemmOutput::f32)
        real_bias[v] = fbias ? S::load_partial(fbias + v * S::kLanes, columns(v)) : S::set(0.0f);
    }
    const TilesGroup group(p, first);
    results.start(group, sums);
    out = static_cast<std::byte*>(t.out) + group.result * step + pair * kColumns * kElement;
    if (kKind == GemmOutput::f32 && adds)
      add = t.residual + group.result * add_step + pair * kColumns;
  }
  // Finishes up to `pairs` of rows.
  [[gnu::always_inline]] inline void some(int pairs) noexcept {
    for (; pairs > 0 && results.left > 0; --pairs) {
      // The last one may be alone: twice.
      const bool two = results.left > 1;
      const int32_t* first = results.next();
      const int32_t* second = two ? results.next() : first;
      std::byte* below = two ? out + step : out;
      if constexpr (kKind == GemmOutput::f32) {
        leave_row(first, add, out);
        if (two) leave_row(second, add + add_step, below);
        add += 2 * add_step;
      } else {
        leave_pair(first, second, out, below);
      }
      results.left -= 2;
      out += 2 * step;
    }
  }

  [[gnu::always_inline]] inline void leave_pair(const int32_t* first, const int32_t* second,
                                                std::byte* to, std::byte* below) const noexcept {
    I q[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const I sums = S::load((j < 2 ? first : second) + j % 2 * S::kLanes);
      q[j] = S::round(S::mul(S::to_f32(S::add(sums, bias[j % 2])), scale[j % 2]));
    }
    auto bytes = kKind == GemmOutput::u8 ? S::join_u8(q, zero) : S::join_s8(q, zero);
    if (clamps)
      bytes =
          kKind == GemmOutput::u8 ? S::clamp_u8(bytes, qmin, qmax) : S::clamp_s8(bytes, qmin, qmax);
    if constexpr (kWhole)
      S::store_halves(to, below, bytes);
    else
      S::store_halves_partial(to, below, bytes, cols);
  }
  [[gnu::always_inline]] inline void leave_row(const int32_t* sums, const float* with,
                                               std::byte* place) const noexcept {
    auto* to = reinterpret_cast<float*>(place);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const I acc = S::add(S::load(sums + v * S::kLanes), bias[v]);
      leave_floats<S, kWhole>(S::add(S::mul(S::to_f32(acc), scale[v]), real_bias[v]), adds,
                              with + v * S::kLanes, low, high, to + v * S::kLanes, columns(v));
    }
  }

  TilesResults<int32_t> results;
  F scale[2], real_bias[2], low, high;
  I bias[2];
  const int64_t step, add_step;
  const int cols, zero, qmin, qmax;
  const bool clamps, adds;
  std::byte* out = nullptr;
  const float* add = nullptr;
};

// The same for whatever else leaves, a pair of tiles at a time.
template <typename S>
struct TilesFinisher<S, GemmOutput::s32, false> {
  static constexpr int kColumns = 2 * S::kLanes;
  explicit TilesFinisher(const GemmU8S8Panel&) noexcept {}

  void take(const GemmU8S8Panel& p, int64_t first, int64_t pair, int32_t* from) noexcept {
    GemmU8S8Tile t = p.tile;
    const int64_t element = element_bytes(t.epilogue->kind);
    t.n0 += pair * kColumns;
    const TilesGroup group(p, first);
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
    move(group.result, pair * kColumns);
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

template <typename S, bool kSigned>
struct TilesOfBytes {
  using Sum = int32_t;
  template <int kSum, int kA, int kB>
  [[gnu::always_inline]] static inline void dot() noexcept {
    S::Tiles::template dot<kSum, kA, kB, kSigned>();
  }
};

template <typename S, bool kSigned, bool kTwoColumns, typename Finisher>
void tiles_block(const GemmU8S8Panel& given) noexcept {
  // Own copies, which what is stored cannot change.
  GemmU8S8Panel p = given;
  const GemmU8S8Epilogue e = *p.tile.epilogue;
  p.tile.epilogue = &e;
  Finisher finisher(p);
  walk_tiles<S, TilesOfBytes<S, kSigned>, kTwoColumns>(
      p, reinterpret_cast<const std::byte*>(p.tile.b), finisher);
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
  const GemmU8S8Epilogue& e = *p.tile.epilogue;
  if (!p.tile.row_sums) {
    if (e.kind == GemmOutput::f32) return tiles_kind<S, GemmOutput::f32>(p);
    if (e.kind == GemmOutput::u8 && e.small_scales) return tiles_kind<S, GemmOutput::u8>(p);
    if (e.kind == GemmOutput::s8 && e.small_scales) return tiles_kind<S, GemmOutput::s8>(p);
  }
  tiles_block<S, true, TilesFinisher<S, GemmOutput::s32, false>>(p);
}
