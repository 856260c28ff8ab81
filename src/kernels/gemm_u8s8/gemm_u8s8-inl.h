// The tile of gemm_u8s8 over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.

// What leaves: the sums of one tile, row by row of kVecs vectors, through the epilogue. The clamp
// to [qmin, qmax] comes before rounding, which is the same because the bounds are integers, and
// keeps the conversion in range; a NaN (of a scale) becomes qmin.
template <typename S, int kVecs, GemmOutput kKind>
void finish(const GemmU8S8Tile& t, int rows, const int32_t* sums) noexcept {
  using F = typename S::f32;
  using I = typename S::s32;
  constexpr int kLanes = S::kLanes;
  const GemmU8S8Epilogue& e = *t.epilogue;
  const F low = S::set(kKind == GemmOutput::f32 ? e.min : static_cast<float>(e.qmin - e.zero));
  const F high = S::set(kKind == GemmOutput::f32 ? e.max : static_cast<float>(e.qmax - e.zero));
  const I zero = S::set(e.zero);
  for (int v = 0; v < kVecs; ++v) {
    const int offset = v * kLanes, left = t.cols - offset;
    if (left <= 0) return;
    const bool whole = left >= kLanes;
    const int64_t n = t.n0 + offset;
    const auto ints = [&](const int32_t* p) {
      return !p ? S::set(int32_t{0}) : whole ? S::load(p + n) : S::load_partial(p + n, left);
    };
    const auto floats = [&](const float* p) {
      return !p ? S::set(0.0f) : whole ? S::load(p + n) : S::load_partial(p + n, left);
    };
    const I bias = ints(e.bias), b_zero = ints(e.b_zero);
    const F scale = floats(e.scale), fbias = floats(e.fbias);
    for (int m = 0; m < rows; ++m) {
      I acc = S::add(S::load(sums + m * kVecs * kLanes + offset), bias);
      if (e.b_zero) acc = S::sub(acc, S::mul(b_zero, S::set(t.row_sums[m])));
      const int64_t at = m * t.out_stride + offset;
      if constexpr (kKind == GemmOutput::s32) {
        int32_t* out = static_cast<int32_t*>(t.out) + at;
        if (whole)
          S::store(out, acc);
        else
          S::store_partial(out, acc, left);
      } else if constexpr (kKind == GemmOutput::f32) {
        float* out = static_cast<float*>(t.out) + at;
        F y = S::add(S::mul(S::to_f32(acc), scale), fbias);
        if (t.residual) {
          const float* residual = t.residual + m * e.residual_stride + offset;
          y = S::add(y, whole ? S::load(residual) : S::load_partial(residual, left));
        }
        y = S::min(high, S::max(low, y));
        if (whole)
          S::store(out, y);
        else
          S::store_partial(out, y, left);
      } else {
        uint8_t* out = static_cast<uint8_t*>(t.out) + at;
        const F y = S::min(S::max(S::mul(S::to_f32(acc), scale), low), high);
        const I q = S::add(S::round(y), zero);
        if (whole)
          S::store_low_bytes(out, q);
        else
          S::store_low_bytes_partial(out, q, left);
      }
    }
  }
}

// The same for whole rows of two vectors to bytes, two rows at once. Only the upper end needs a
// bound for `round`; what is saturated stays outside [qmin, qmax] or at its end.
template <typename S, GemmOutput kKind>
void finish_pairs(const GemmU8S8Tile& t, int rows, const int32_t* sums) noexcept {
  using F = typename S::f32;
  using I = typename S::s32;
  constexpr int kLanes = S::kLanes;
  const GemmU8S8Epilogue& e = *t.epilogue;
  const F high = S::set(65536.0f);
  I bias[2];
  F scale[2];
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    bias[v] = e.bias ? S::load(e.bias + t.n0 + v * kLanes) : S::set(int32_t{0});
    scale[v] = S::load(e.scale + t.n0 + v * kLanes);
  }
  uint8_t* out = static_cast<uint8_t*>(t.out);
  for (int m = 0; m < rows; m += 2) {
    const int second = m + 1 < rows ? m + 1 : m;
    I q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const int32_t* sum = sums + ((i < 2 ? m : second) * 2 + i % 2) * kLanes;
      const F y = S::mul(S::to_f32(S::add(S::load(sum), bias[i % 2])), scale[i % 2]);
      q[i] = S::round(S::min(high, y));
    }
    const auto bytes = kKind == GemmOutput::u8 ? S::clamp_u8(S::join_u8(q, e.zero), e.qmin, e.qmax)
                                               : S::clamp_s8(S::join_s8(q, e.zero), e.qmin, e.qmax);
    S::store_halves(out + m * t.out_stride, out + second * t.out_stride, bytes);
  }
}

template <typename S, int kVecs>
void finish(const GemmU8S8Tile& t, int rows, const int32_t* sums) noexcept {
  if (kVecs == 2 && t.cols == kVecs * S::kLanes && !t.row_sums) {
    if (t.epilogue->kind == GemmOutput::u8) return finish_pairs<S, GemmOutput::u8>(t, rows, sums);
    if (t.epilogue->kind == GemmOutput::s8) return finish_pairs<S, GemmOutput::s8>(t, rows, sums);
  }
  switch (t.epilogue->kind) {
    case GemmOutput::s32:
      return finish<S, kVecs, GemmOutput::s32>(t, rows, sums);
    case GemmOutput::f32:
      return finish<S, kVecs, GemmOutput::f32>(t, rows, sums);
    default:
      return finish<S, kVecs, GemmOutput::u8>(t, rows, sums);
  }
}

// kRows rows of kVecs vectors of sums. kFlip: A is int8. In a last quad of fewer than four k the
// rest of A counts as zero, and W is packed with zeros.
template <typename S, int kMr, int kVecs, int kRows, bool kFlip>
void sum(const GemmU8S8Tile& t, int32_t* sums) noexcept {
  using I = typename S::s32;
  using B = typename S::bytes;
  constexpr int kLanes = S::kLanes, kBytes = S::kBytes;
  const B flip = S::set_quads(0x80808080u);
  I acc[kRows][kVecs];
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[m][v] = S::set(int32_t{0});
  const int8_t* b = t.b;
  const int64_t whole = t.k & ~int64_t{3};
  const int64_t tail = t.k & 3;
  for (int64_t p = 0; p < t.positions; ++p) {
    const uint8_t* a[kRows];
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) a[m] = t.a[p * kMr + m];
    for (int64_t k = 0; k < whole; k += 4, b += kVecs * kBytes) {
      B column[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) column[v] = S::load_bytes(b + v * kBytes);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        B x = S::load_quad(a[m] + k);
        if constexpr (kFlip) x = S::bit_xor(x, flip);
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) acc[m][v] = S::dot4(acc[m][v], x, column[v]);
      }
    }
    if (tail) {
      uint32_t last[kRows];
      for (int m = 0; m < kRows; ++m) {
        const uint8_t* row = t.a[p * kMr + m] + whole;
        last[m] = row[0];
        if (tail > 1) last[m] |= static_cast<uint32_t>(row[1]) << 8;
        if (tail > 2) last[m] |= static_cast<uint32_t>(row[2]) << 16;
      }
      B column[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) column[v] = S::load_bytes(b + v * kBytes);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        B x = S::load_quad(&last[m]);
        if constexpr (kFlip) x = S::bit_xor(x, flip);
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) acc[m][v] = S::dot4(acc[m][v], x, column[v]);
      }
      b += kVecs * kBytes;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) S::store(sums + (m * kVecs + v) * kLanes, acc[m][v]);
}

template <typename S, int kMr, int kVecs, size_t... kIndex>
void call_tile(const GemmU8S8Tile& t, int rows, std::index_sequence<kIndex...>) noexcept {
  using Function = void (*)(const GemmU8S8Tile&, int32_t*) noexcept;
  static constexpr Function kSums[2][kMr] = {
      {sum<S, kMr, kVecs, static_cast<int>(kIndex) + 1, false>...},
      {sum<S, kMr, kVecs, static_cast<int>(kIndex) + 1, true>...}};
  alignas(64) int32_t sums[kMr * kVecs * S::kLanes];
  kSums[t.a_signed][rows - 1](t, sums);
  finish<S, kVecs>(t, rows, sums);
}

template <typename S, int kMr, int kVecs>
void any_tile(const GemmU8S8Tile& t, int rows) noexcept {
  call_tile<S, kMr, kVecs>(t, rows, std::make_index_sequence<kMr>());
}
