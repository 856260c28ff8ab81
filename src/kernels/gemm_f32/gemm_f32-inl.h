// The tile of gemm_f32 over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.

// kRows rows of kVecs vectors. Accumulators start at the bias.
template <typename S, int kMr, int kVecs, int kRows>
void tile(const GemmF32Tile& t) noexcept {
  using F = typename S::f32;
  constexpr int kLanes = S::kLanes;
  F acc[kRows][kVecs];
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int left = t.cols - v * kLanes;
    F bias = S::set(0.0f);
    if (t.bias && left >= kLanes)
      bias = S::load(t.bias + v * kLanes);
    else if (t.bias && left > 0)
      bias = S::load_partial(t.bias + v * kLanes, left);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) acc[m][v] = bias;
  }
  const float* b = t.b;
  for (int64_t p = 0; p < t.positions; ++p) {
    const float* a[kRows];
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) a[m] = t.a[p * kMr + m];
    for (int64_t k = 0; k < t.k; ++k, b += kVecs * kLanes) {
      F column[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) column[v] = S::load(b + v * kLanes);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const F x = S::set(a[m][k]);
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) acc[m][v] = S::fmadd(x, column[v], acc[m][v]);
      }
    }
  }
  const F low = S::set(t.min), high = S::set(t.max);
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int left = t.cols - v * kLanes;
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      float* out = t.out + m * t.out_stride + v * kLanes;
      const float* residual =
          t.residual ? t.residual + m * t.residual_stride + v * kLanes : nullptr;
      F x = acc[m][v];
      if (left >= kLanes) {
        if (residual) x = S::add(x, S::load(residual));
        S::store(out, S::min(high, S::max(low, x)));
      } else if (left > 0) {
        if (residual) x = S::add(x, S::load_partial(residual, left));
        S::store_partial(out, S::min(high, S::max(low, x)), left);
      }
    }
  }
}

template <typename S, int kMr, int kVecs, size_t... kIndex>
void call_tile(const GemmF32Tile& t, int rows, std::index_sequence<kIndex...>) noexcept {
  using Function = void (*)(const GemmF32Tile&) noexcept;
  static constexpr Function kTiles[] = {tile<S, kMr, kVecs, static_cast<int>(kIndex) + 1>...};
  kTiles[rows - 1](t);
}

template <typename S, int kMr, int kVecs>
void any_tile(const GemmF32Tile& t, int rows) noexcept {
  call_tile<S, kMr, kVecs>(t, rows, std::make_index_sequence<kMr>());
}
