// The f32 tile of dwconv over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.

// kRows pixels, kVecs vectors of channels at a time (packed weights are padded to them).
template <typename S, int kMr, int kVecs, int kRows>
void dw_tile(const DwconvF32Tile& t) noexcept {
  using F = typename S::f32;
  constexpr int kLanes = S::kLanes, kBlock = kVecs * kLanes;
  const int64_t padded = (t.channels + kBlock - 1) / kBlock * kBlock;
  const F low = S::set(t.min), high = S::set(t.max);
  int64_t c = 0;
  for (; c + kBlock <= t.channels; c += kBlock) {
    F acc[kRows][kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      const F bias = t.bias ? S::load(t.bias + c + v * kLanes) : S::set(0.0f);
#pragma GCC unroll 8
      for (int m = 0; m < kRows; ++m) acc[m][v] = bias;
    }
    const float* w = t.w + c;
    for (int64_t p = 0; p < t.positions; ++p, w += padded) {
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) {
        const F weight = S::load(w + v * kLanes);
#pragma GCC unroll 8
        for (int m = 0; m < kRows; ++m)
          acc[m][v] = S::fmadd(S::load(t.a[p * kMr + m] + c + v * kLanes), weight, acc[m][v]);
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v)
        S::store(t.out + m * t.channels + c + v * kLanes, S::min(high, S::max(low, acc[m][v])));
  }
  for (; c < t.channels; c += kLanes) {
    const int left = t.channels - c < kLanes ? static_cast<int>(t.channels - c) : kLanes;
    const F bias = t.bias ? S::load_partial(t.bias + c, left) : S::set(0.0f);
    for (int m = 0; m < kRows; ++m) {
      F acc = bias;
      for (int64_t p = 0; p < t.positions; ++p)
        acc = S::fmadd(S::load_partial(t.a[p * kMr + m] + c, left), S::load(t.w + p * padded + c),
                       acc);
      S::store_partial(t.out + m * t.channels + c, S::min(high, S::max(low, acc)), left);
    }
  }
}

template <typename S, int kMr, int kVecs>
void any_dw_tile(const DwconvF32Tile& t, int rows) noexcept {
  static_assert(kMr == 4);
  using Function = void (*)(const DwconvF32Tile&) noexcept;
  static constexpr Function kTiles[] = {dw_tile<S, kMr, kVecs, 1>, dw_tile<S, kMr, kVecs, 2>,
                                        dw_tile<S, kMr, kVecs, 3>, dw_tile<S, kMr, kVecs, 4>};
  kTiles[rows - 1](t);
}
