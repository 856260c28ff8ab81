// The tile of gemm_f32 over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.

// Operands in f32, or in pairs of bf16.
template <typename S>
struct Singles {
  using Element = float;
  static constexpr int kDepth = 1;
  [[gnu::always_inline]] static auto column(const float* b) noexcept { return S::load(b); }
  [[gnu::always_inline]] static auto row(const float* a) noexcept { return S::set(*a); }
  template <typename F>
  [[gnu::always_inline]] static F multiply(F acc, F a, F b) noexcept {
    return S::fmadd(a, b, acc);
  }
};
template <typename S>
struct Pairs {
  using Element = int16_t;
  static constexpr int kDepth = 2;
  [[gnu::always_inline]] static auto column(const int16_t* b) noexcept { return S::load_words(b); }
  [[gnu::always_inline]] static auto row(const int16_t* a) noexcept { return S::load_pair(a); }
  [[gnu::always_inline]] static auto last(const int16_t* a) noexcept { return S::load_single(a); }
  template <typename F, typename W>
  [[gnu::always_inline]] static F multiply(F acc, W a, W b) noexcept {
    return S::dot2(acc, a, b);
  }
};

// Residual, clamp and store; `out` is the tile's, as elements of T.
template <typename S, int kVecs, int kRows, typename T>
[[gnu::always_inline]] inline void finish(const GemmF32Tile& t,
                                          const typename S::f32 (&acc)[kRows][kVecs],
                                          T* out) noexcept {
  using F = typename S::f32;
  const auto* residual = static_cast<const T*>(t.residual);
  const F low = S::set(t.min), high = S::set(t.max);
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int left = t.cols - v * S::kLanes;
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      T* to = out + m * t.out_stride + v * S::kLanes;
      const T* add = residual ? residual + m * t.residual_stride + v * S::kLanes : nullptr;
      F x = acc[m][v];
      if (left >= S::kLanes) {
        if (add) x = S::add(x, S::load(add));
        S::store(to, S::min(high, S::max(low, x)));
      } else if (left > 0) {
        if (add) x = S::add(x, S::load_partial(add, left));
        S::store_partial(to, S::min(high, S::max(low, x)), left);
      }
    }
  }
}

// kRows rows of kVecs vectors. Accumulators start at the bias.
template <typename S, typename Operands, int kMr, int kVecs, int kRows>
void tile(const GemmF32Tile& t) noexcept {
  using F = typename S::f32;
  using Element = typename Operands::Element;
  constexpr int kDepth = Operands::kDepth;
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
  const auto* b = static_cast<const Element*>(t.b);
  for (int64_t p = 0; p < t.positions; ++p) {
    const Element* a[kRows];
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) a[m] = static_cast<const Element*>(t.a[p * kMr + m]);
    const auto step = [&](int64_t k, auto row) __attribute__((always_inline)) {
      decltype(Operands::column(b)) column[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) column[v] = Operands::column(b + v * kLanes * kDepth);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const auto x = row(a[m] + k);
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) acc[m][v] = Operands::multiply(acc[m][v], x, column[v]);
      }
      fetch_ahead<kVecs * kLanes * kDepth * static_cast<int>(sizeof(Element))>(b);
      b += kVecs * kLanes * kDepth;
    };
    const int64_t whole = t.k / kDepth * kDepth;
    for (int64_t k = 0; k < whole; k += kDepth) step(k, Operands::row);
    if constexpr (kDepth > 1)
      if (whole < t.k) step(whole, Operands::last);
  }
  if (t.type == FloatType::f32)
    finish<S>(t, acc, static_cast<float*>(t.out));
  else if (t.type == FloatType::f16)
    finish<S>(t, acc, static_cast<simd::half*>(t.out));
  else
    finish<S>(t, acc, static_cast<simd::bfloat16*>(t.out));
}

template <typename S, typename Operands, int kMr, int kVecs, size_t... kIndex>
void call_tile(const GemmF32Tile& t, int rows, std::index_sequence<kIndex...>) noexcept {
  using Function = void (*)(const GemmF32Tile&) noexcept;
  static constexpr Function kTiles[] = {
      tile<S, Operands, kMr, kVecs, static_cast<int>(kIndex) + 1>...};
  kTiles[rows - 1](t);
}

template <typename S, int kMr, int kVecs, typename Operands = Singles<S>>
void any_tile(const GemmF32Tile& t, int rows) noexcept {
  call_tile<S, Operands, kMr, kVecs>(t, rows, std::make_index_sequence<kMr>());
}
