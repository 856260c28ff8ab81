// Products of bf16 by tiles over the vector language; after kernels/tiles/tiles-inl.h, which see.

template <typename S>
struct TilesOfBf16 {
  using Sum = float;
  template <int kSum, int kA, int kB>
  [[gnu::always_inline]] static inline void dot() noexcept {
    S::Tiles::template dot2<kSum, kA, kB>();
  }
};

// Bias, residual, clamp and store; results are of T.
template <typename S, typename T, bool kWhole>
struct Bf16TilesFinisher {
  static constexpr int kRows = 2 * S::Tiles::kRows, kColumns = 2 * S::kLanes;
  using F = typename S::f32;

  [[gnu::always_inline]] inline Bf16TilesFinisher(const GemmF32Panel& p,
                                                  TilesPlaces<S, T>& memory) noexcept
      : places(memory),
        low(S::set(p.tile.min)),
        high(S::set(p.tile.max)),
        cols(p.tile.cols),
        adds(p.tile.residual) {}
  int columns(int v) const noexcept {
    return kWhole ? S::kLanes : std::clamp(cols - v * S::kLanes, 0, S::kLanes);
  }

  [[gnu::always_inline]] inline void take(const GemmF32Panel& p, int64_t first, int64_t panel,
                                          const float* from) noexcept {
    const GemmF32Tile& t = p.tile;
    const int64_t column = panel * kColumns;
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v)
      bias[v] =
          t.bias ? S::load_partial(t.bias + column + v * S::kLanes, columns(v)) : S::set(0.0f);
    sums = from;
    next = 0;
    const TilesGroup group(p, first, kRows);
    left = static_cast<int>(group.rows);
    T* out = static_cast<T*>(t.out) + group.result * t.out_stride + column;
    const int64_t add_step = adds ? t.residual_stride : 0;
    const T* add =
        adds ? static_cast<const T*>(t.residual) + group.result * add_step + column : nullptr;
    places.template set<true>(p, group, reinterpret_cast<std::byte*>(out),
                              t.out_stride * static_cast<int64_t>(sizeof(T)), add, add_step);
  }
  [[gnu::always_inline]] inline void some(int pairs) noexcept {
    const int end = std::min(next + 2 * pairs, left);
    for (; next < end; next += 2) {
      leave_row(next, sums + next * kColumns);
      leave_row(next + 1, sums + (next + 1) * kColumns);
    }
  }

  [[gnu::always_inline]] inline void leave_row(int i, const float* from) const noexcept {
    T* to = reinterpret_cast<T*>(places.results[i]);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      leave_floats<S, kWhole>(S::add(S::load(from + v * S::kLanes), bias[v]), adds,
                              places.residuals[i] + v * S::kLanes, low, high, to + v * S::kLanes,
                              columns(v));
    }
  }

  TilesPlaces<S, T>& places;
  F bias[2], low, high;
  const int cols;
  const bool adds;
  const float* sums = nullptr;
  int next = 0, left = 0;  // of their rows
};

template <typename S, typename T, bool kTwoColumns, bool kWhole>
void bf16_tiles_block(const GemmF32Panel& given) noexcept {
  const GemmF32Panel p = given;
  TilesPlaces<S, T> places;
  Bf16TilesFinisher<S, T, kWhole> finisher(p, places);
  walk_tiles<S, TilesOfBf16<S>, kTwoColumns>(p, static_cast<const std::byte*>(p.tile.b), finisher);
}

template <typename S, typename T>
void bf16_tiles_columns(const GemmF32Panel& p) noexcept {
  if (p.tile.cols == 2 * S::kLanes)
    bf16_tiles_block<S, T, true, true>(p);
  else if (p.tile.cols > S::kLanes)
    bf16_tiles_block<S, T, true, false>(p);
  else
    bf16_tiles_block<S, T, false, false>(p);
}

template <typename S>
void any_tiles_panel(const GemmF32Panel& p) noexcept {
  if (p.tile.type == FloatType::f32)
    bf16_tiles_columns<S, float>(p);
  else if (p.tile.type == FloatType::f16)
    bf16_tiles_columns<S, simd::half>(p);
  else
    bf16_tiles_columns<S, simd::bfloat16>(p);
}
