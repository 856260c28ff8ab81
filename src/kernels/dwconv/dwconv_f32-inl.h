// The f32 tile of dwconv over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.

// kRows pixels, kVecs vectors of channels at a time (packed weights are padded to them).
template <typename S, typename T, int kMr, int kVecs, int kRows>
void dw_tile(const DwconvF32Tile& t) noexcept {
  using F = typename S::f32;
  const auto* a = reinterpret_cast<const T* const*>(t.a);
  auto* out = static_cast<T*>(t.out);
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
          acc[m][v] = S::fmadd(S::load(a[p * kMr + m] + c + v * kLanes), weight, acc[m][v]);
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v)
        S::store(out + m * t.channels + c + v * kLanes, S::min(high, S::max(low, acc[m][v])));
  }
  for (; c < t.channels; c += kLanes) {
    const int left = t.channels - c < kLanes ? static_cast<int>(t.channels - c) : kLanes;
    const F bias = t.bias ? S::load_partial(t.bias + c, left) : S::set(0.0f);
    for (int m = 0; m < kRows; ++m) {
      F acc = bias;
      for (int64_t p = 0; p < t.positions; ++p)
        acc =
            S::fmadd(S::load_partial(a[p * kMr + m] + c, left), S::load(t.w + p * padded + c), acc);
      S::store_partial(out + m * t.channels + c, S::min(high, S::max(low, acc)), left);
    }
  }
}

template <typename S, int kMr, int kVecs>
void any_dw_tile(const DwconvF32Tile& t, int rows) noexcept {
  static_assert(kMr == 4);
  with_elements(t.type, t.out, [&]<typename T>(T*) {
    using Function = void (*)(const DwconvF32Tile&) noexcept;
    static constexpr Function kTiles[] = {
        dw_tile<S, T, kMr, kVecs, 1>, dw_tile<S, T, kMr, kVecs, 2>, dw_tile<S, T, kMr, kVecs, 3>,
        dw_tile<S, T, kMr, kVecs, 4>};
    kTiles[rows - 1](t);
  });
}

// kOutputs neighbouring pixels of a line, one vector of channels.
template <typename S, typename T, int kKw, int kStride, int kOutputs>
void dw_columns(const DwconvF32Line& t, int64_t x, int64_t c) noexcept {
  using F = typename S::f32;
  constexpr int kColumns = (kOutputs - 1) * kStride + kKw;
  const F bias = t.bias ? S::load(t.bias + c) : S::set(0.0f);
  F acc[kOutputs];
#pragma GCC unroll 8
  for (int r = 0; r < kOutputs; ++r) acc[r] = bias;
  const float* w = t.w + c;
  for (int ky = 0; ky < t.kh; ++ky) {
    const auto* in = reinterpret_cast<const T* const*>(t.columns) + ky * t.width + x * kStride;
    F weight[kKw];
#pragma GCC unroll 8
    for (int kx = 0; kx < kKw; ++kx, w += t.padded) weight[kx] = S::load(w);
#pragma GCC unroll 24
    for (int j = 0; j < kColumns; ++j) {
      const F column = S::keep(S::load(in[j] + c));
#pragma GCC unroll 8
      for (int r = 0; r < kOutputs; ++r) {
        const int kx = j - r * kStride;
        if (kx >= 0 && kx < kKw) acc[r] = S::fmadd(column, weight[kx], acc[r]);
      }
    }
  }
  const F low = S::set(t.min), high = S::set(t.max);
#pragma GCC unroll 8
  for (int r = 0; r < kOutputs; ++r)
    S::store(static_cast<T*>(t.out) + (x + r) * t.channels + c, S::min(high, S::max(low, acc[r])));
}

// The last pixels and the last channels overlap those before them: what is computed twice is the
// same.
template <typename S, typename T, int kKw, int kStride>
void dw_line(const DwconvF32Line& t) noexcept {
  using Function = void (*)(const DwconvF32Line&, int64_t, int64_t) noexcept;
  constexpr int kMost = 6;
  static constexpr Function kFunctions[kMost] = {
      dw_columns<S, T, kKw, kStride, 1>, dw_columns<S, T, kKw, kStride, 2>,
      dw_columns<S, T, kKw, kStride, 3>, dw_columns<S, T, kKw, kStride, 4>,
      dw_columns<S, T, kKw, kStride, 5>, dw_columns<S, T, kKw, kStride, 6>};
  const int64_t steps = (t.count + kMost - 1) / kMost, outputs = (t.count + steps - 1) / steps;
  const Function function = kFunctions[outputs - 1];
  for (int64_t x = 0; x < t.count; x += outputs) {
    const int64_t x0 = x + outputs <= t.count ? x : t.count - outputs;
    for (int64_t c = t.piece.begin; c < t.piece.end; c += S::kLanes)
      function(t, x0, c + S::kLanes <= t.channels ? c : t.channels - S::kLanes);
  }
}

template <typename S>
void any_dw_line(const DwconvF32Line& t) noexcept {
  with_elements(t.type, t.out, [&]<typename T>(T*) {
    if (t.kw == 3 && t.stride == 1) return dw_line<S, T, 3, 1>(t);
    if (t.kw == 3) return dw_line<S, T, 3, 2>(t);
    if (t.stride == 1) return dw_line<S, T, 5, 1>(t);
    return dw_line<S, T, 5, 2>(t);
  });
}

// kRows rows of 3 x 3 windows of stride 1, one vector of channels: each column of kRows + 2 pixels
// is loaded once. What it adds to the outputs x, x - 1 and x - 2 of a row are sums of their own, so
// that no chain of additions is longer than three products.
template <typename S, typename T, int kRows>
struct DwSlideF32 {
  using F = typename S::f32;
  const T* const* columns;
  int64_t width, channels, c, line;
  T* out;
  F weight[3][3], bias, low, high;
  F one[kRows], two[kRows];  // of each row, sums of as many columns

  // Those of the outputs x - kFirst to x - kLast that exist; pixels(y) is where row y of the column
  // lies. With registers for few rows only, sums are computed one after the other.
  template <int kFirst, int kLast, typename Pixels>
  [[gnu::always_inline]] inline void column(int64_t x, Pixels pixels) noexcept {
    F pixel[kRows + 2], sum[kRows][3];
#pragma GCC unroll 6
    for (int y = 0; y < kRows + 2; ++y) {
      pixel[y] = S::keep(S::load(pixels(y)));
      if constexpr (kRows > 2) {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          const int ky = y - r;
          if (ky < 0 || ky > 2) continue;
#pragma GCC unroll 3
          for (int kx = kFirst; kx <= kLast; ++kx) {
            F& to = sum[r][kx];
            to = ky == 0 ? S::mul(pixel[y], weight[0][kx]) : S::fmadd(pixel[y], weight[ky][kx], to);
          }
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const auto three = [&](int kx) __attribute__((always_inline)) {
        if constexpr (kRows > 2) return sum[r][kx];
        return S::fmadd(pixel[r + 2], weight[2][kx],
                        S::fmadd(pixel[r + 1], weight[1][kx], S::mul(pixel[r], weight[0][kx])));
      };
      if constexpr (kLast == 2)
        S::store(out + r * line + (x - 2) * channels + c,
                 S::min(high, S::max(low, S::add(two[r], three(2)))));
      if constexpr (kFirst <= 1 && kLast >= 1) two[r] = S::add(one[r], three(1));
      if constexpr (kFirst == 0) one[r] = S::add(three(0), bias);
    }
  }
  template <int kFirst, int kLast>
  [[gnu::always_inline]] inline void column(int64_t x) noexcept {
    column<kFirst, kLast>(
        x, [&](int y) __attribute__((always_inline)) { return columns[y * width + x] + c; });
  }
  // The columns from 2 to count - 1, which are pixels of the image one after the other, or padding.
  [[gnu::always_inline]] inline void inner_columns(int64_t count) noexcept {
    if constexpr (kRows > 2) {
#pragma GCC unroll 2
      for (int64_t x = 2; x < count; ++x) column<0, 2>(x);
    } else {
      const T* at[kRows + 2];
      int64_t step[kRows + 2];
#pragma GCC unroll 6
      for (int y = 0; y < kRows + 2; ++y) {
        const T* const* first = columns + y * width + 2;
        at[y] = first[0] + c;
        step[y] = count > 3 ? first[1] - first[0] : 0;
      }
#pragma GCC unroll 2
      for (int64_t x = 2; x < count; ++x) {
        column<0, 2>(
            x, [&](int y) __attribute__((always_inline)) { return at[y]; });
#pragma GCC unroll 6
        for (int y = 0; y < kRows + 2; ++y) at[y] += step[y];
      }
    }
  }
};

template <typename S, typename T, int kRows>
void dw_slide_rows(const DwconvF32Line& t) noexcept {
  DwSlideF32<S, T, kRows> s;
  s.columns = reinterpret_cast<const T* const*>(t.columns);
  s.width = t.width;
  s.channels = t.channels;
  s.line = t.count * t.channels;
  s.out = static_cast<T*>(t.out);
  s.low = S::set(t.min);
  s.high = S::set(t.max);
  const int64_t end = t.piece.end, count = t.count;
  for (int64_t from = t.piece.begin; from < end; from += S::kLanes) {
    s.c = from + S::kLanes <= s.channels ? from : s.channels - S::kLanes;
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) s.weight[i / 3][i % 3] = S::load(t.w + i * t.padded + s.c);
    s.bias = t.bias ? S::load(t.bias + s.c) : S::set(0.0f);
    s.template column<0, 0>(0);
    s.template column<0, 1>(1);
    s.inner_columns(count);
    if (count > 1) s.template column<1, 2>(count);
    s.template column<2, 2>(count + 1);
  }
}

template <typename S, int kMostRows>
void any_dw_slide(const DwconvF32Line& t) noexcept {
  with_elements(t.type, t.out, [&]<typename T>(T*) {
    if (t.rows == 1) return dw_slide_rows<S, T, 1>(t);
    if (t.rows == 2) return dw_slide_rows<S, T, 2>(t);
    if constexpr (kMostRows > 2) dw_slide_rows<S, T, kMostRows>(t);
  });
}
