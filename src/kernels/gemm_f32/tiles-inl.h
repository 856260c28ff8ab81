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
  static constexpr int kColumns = 2 * S::kLanes;
  using F = typename S::f32;

  [[gnu::always_inline]] inline explicit Bf16TilesFinisher(const GemmF32Panel& p) noexcept
      : results(p),
        low(S::set(p.tile.min)),
        high(S::set(p.tile.max)),
        step(p.tile.out_stride),
        add_step(p.tile.residual_stride),
        cols(p.tile.cols),
        adds(p.tile.residual) {}
  int columns(int v) const noexcept {
    return kWhole ? S::kLanes : std::clamp(cols - v * S::kLanes, 0, S::kLanes);
  }

  [[gnu::always_inline]] inline void take(const GemmF32Panel& p, int64_t first, int64_t pair,
                                          const float* sums) noexcept {
    const GemmF32Tile& t = p.tile;
    const int64_t column = pair * kColumns;
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v)
      bias[v] =
          t.bias ? S::load_partial(t.bias + column + v * S::kLanes, columns(v)) : S::set(0.0f);
    const TilesGroup group(p, first);
    results.start(group, sums);
    out = static_cast<T*>(t.out) + group.result * step + column;
    if (adds) add = static_cast<const T*>(t.residual) + group.result * add_step + column;
  }
  [[gnu::always_inline]] inline void some(int pairs) noexcept {
    for (int i = 2 * pairs; i > 0 && results.left > 0; --i, --results.left) {
      const float* sums = results.next();
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v)
        leave_floats<S, kWhole>(S::add(S::load(sums + v * S::kLanes), bias[v]), adds,
                                add + v * S::kLanes, low, high, out + v * S::kLanes, columns(v));
      out += step;
      if (adds) add += add_step;
    }
  }

  TilesResults<float> results;
  F bias[2], low, high;
  const int64_t step, add_step;
  const int cols;
  const bool adds;
  T* out = nullptr;
  const T* add = nullptr;
};

template <typename S, typename T, bool kTwoColumns, bool kWhole>
void bf16_tiles_block(const GemmF32Panel& given) noexcept {
  const GemmF32Panel p = given;
  Bf16TilesFinisher<S, T, kWhole> finisher(p);
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
