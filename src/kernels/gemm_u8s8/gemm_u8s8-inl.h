// The tile of gemm_u8s8 over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.

#include "kernels/gemm_u8s8/epilogue-inl.h"

// All rows as bytes, from the registers. kWhole: all columns exist.
template <typename S, GemmOutput kKind, bool kWhole, int kRows, size_t... kPair>
[[gnu::always_inline]] inline void leave(const GemmU8S8Tile& t,
                                         const typename S::s32 (&acc)[kRows][2],
                                         std::index_sequence<kPair...>) noexcept {
  const auto scale0 = scale_of<S, kWhole>(t, 0), scale1 = scale_of<S, kWhole>(t, 1);
  const bool clamps = t.epilogue->clamps();
  constexpr auto second = [](size_t p) { return p * 2 + 1 < kRows ? p * 2 + 1 : p * 2; };
  (finish_pair<S, kKind, kWhole>(t, acc[kPair * 2][0], acc[kPair * 2][1], acc[second(kPair)][0],
                                 acc[second(kPair)][1], scale0, scale1, clamps,
                                 static_cast<int>(kPair * 2), static_cast<int>(second(kPair))),
   ...);
}

// The same for rows of one vector, four at a time.
template <typename S, GemmOutput kKind, bool kWhole, int kRows, size_t... kFour>
[[gnu::always_inline]] inline void leave(const GemmU8S8Tile& t,
                                         const typename S::s32 (&acc)[kRows][1],
                                         std::index_sequence<kFour...>) noexcept {
  const auto scale = scale_of<S, kWhole>(t, 0);
  const bool clamps = t.epilogue->clamps();
  constexpr auto row = [](size_t four, size_t i) {
    return static_cast<int>(four * 4 + i < kRows ? four * 4 + i : kRows - 1);
  };
  (finish_four<S, kKind, kWhole>(t, acc[row(kFour, 0)][0], acc[row(kFour, 1)][0],
                                 acc[row(kFour, 2)][0], acc[row(kFour, 3)][0], scale, clamps,
                                 row(kFour, 0), row(kFour, 1), row(kFour, 2), row(kFour, 3)),
   ...);
}

// The same as floats that need neither bias nor residual nor bounds.
template <typename S, int kVecs, int kRows>
[[gnu::always_inline]] inline void leave_real(const GemmU8S8Tile& t,
                                              const typename S::s32 (&acc)[kRows][kVecs]) noexcept {
  float* out = static_cast<float*>(t.out);
#pragma GCC unroll 2
  for (int v = 0; v < kVecs; ++v) {
    const auto scale = S::load(t.epilogue->scale + t.n0 + v * S::kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m)
      S::store(out + m * t.out_stride + v * S::kLanes, S::mul(S::to_f32(acc[m][v]), scale));
  }
}

template <typename S, int kRows, int kVecs>
[[gnu::always_inline]] inline void keep(typename S::s32 (&acc)[kRows][kVecs]) noexcept {
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[m][v] = S::keep(acc[m][v]);
}

// The kind that `deliver` can give from the registers; s32 if it needs the sums in memory.
template <typename S, int kVecs>
GemmOutput from_registers(const GemmU8S8Tile& t) noexcept {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const GemmU8S8Epilogue& e = *t.epilogue;
  if (kVecs > 2 || t.row_sums) return GemmOutput::s32;
  const bool whole = t.cols == kVecs * S::kLanes;
  if (e.kind == GemmOutput::u8 || e.kind == GemmOutput::s8)
    return e.small_scales && (whole || kStoresParts<S>) ? e.kind : GemmOutput::s32;
  if (!whole) return GemmOutput::s32;
  const bool plain = !e.fbias && !t.residual && e.min == -kInfinity && e.max == kInfinity;
  return e.kind == GemmOutput::f32 && plain ? e.kind : GemmOutput::s32;
}

// Finished sums: as bytes or floats, or to `sums`.
template <typename S, int kVecs, int kRows, GemmOutput kKind>
[[gnu::always_inline]] inline void deliver(const GemmU8S8Tile& t,
                                           typename S::s32 (&acc)[kRows][kVecs],
                                           int32_t* sums) noexcept {
  if constexpr (kKind != GemmOutput::s32) {
    // Without `keep` the compiler would hold all of `acc` in memory from the start.
    keep<S>(acc);
    constexpr int kAtOnce = 4 / kVecs;  // rows
    if constexpr (kKind == GemmOutput::f32)
      leave_real<S, kVecs, kRows>(t, acc);
    else {
      constexpr std::make_index_sequence<(kRows + kAtOnce - 1) / kAtOnce> kAll;
      if (!kStoresParts<S> || t.cols == kVecs * S::kLanes)
        leave<S, kKind, true, kRows>(t, acc, kAll);
      else
        leave<S, kKind, false, kRows>(t, acc, kAll);
    }
  } else {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) S::store(sums + (m * kVecs + v) * S::kLanes, acc[m][v]);
  }
}

// kRows rows of kVecs vectors of sums; W is packed kPitch vectors wide. kFlip: A is int8. In a last
// quad of fewer than four k the rest of A counts as zero, and W is packed with zeros. kKind u8, s8:
// they leave from the registers (two vectors of columns, all there, small scales, no row sums);
// otherwise they go to `sums`.
template <typename S, int kMr, int kVecs, int kPitch, int kRows, bool kFlip, GemmOutput kKind>
void sum(const GemmU8S8Tile& t, int32_t* sums) noexcept {
  using I = typename S::s32;
  using B = typename S::bytes;
  constexpr int kBytes = S::kBytes;
  const B flip = S::set_quads(0x80808080u);
  I acc[kRows][kVecs];
  I start[kVecs];
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) start[v] = bias_of<S>(t, v);
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[m][v] = start[v];
  const int8_t* b = t.b;
  const int64_t whole = t.k & ~int64_t{3};
  const int64_t tail = t.k & 3;
  for (int64_t p = 0; p < t.positions; ++p) {
    const uint8_t* a[kRows];
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) a[m] = t.a[p * kMr + m];
    for (int64_t k = 0; k < whole; k += 4, b += kPitch * kBytes) {
      B column[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) column[v] = S::load_bytes(b + v * kBytes);
      fetch_ahead<kPitch * kBytes>(b);
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
      b += kPitch * kBytes;
    }
  }
  deliver<S, kVecs, kRows, kKind>(t, acc, sums);
}

using SumFunction = void (*)(const GemmU8S8Tile&, int32_t*) noexcept;

template <typename S, int kMr, int kVecs, int kPitch, bool kFlip, GemmOutput kKind,
          size_t... kIndex>
constexpr std::array<SumFunction, kMr> sum_functions(std::index_sequence<kIndex...>) noexcept {
  return {sum<S, kMr, kVecs, kPitch, static_cast<int>(kIndex) + 1, kFlip, kKind>...};
}

template <typename S, int kMr, int kVecs, int kPitch, bool kFlip>
void call_tile(const GemmU8S8Tile& t, int rows) noexcept {
  constexpr std::make_index_sequence<kMr> kAll;
  static constexpr auto kSums = sum_functions<S, kMr, kVecs, kPitch, kFlip, GemmOutput::s32>(kAll);
  static constexpr auto kU8 = sum_functions<S, kMr, kVecs, kPitch, kFlip, GemmOutput::u8>(kAll);
  static constexpr auto kReal = sum_functions<S, kMr, kVecs, kPitch, kFlip, GemmOutput::f32>(kAll);
  static constexpr auto kS8 = sum_functions<S, kMr, kVecs, kPitch, kFlip, GemmOutput::s8>(kAll);
  switch (from_registers<S, kVecs>(t)) {
    case GemmOutput::u8:
      return kU8[rows - 1](t, nullptr);
    case GemmOutput::s8:
      return kS8[rows - 1](t, nullptr);
    case GemmOutput::f32:
      return kReal[rows - 1](t, nullptr);
    case GemmOutput::s32:
      break;
  }
  alignas(64) int32_t sums[kMr * kVecs * S::kLanes];
  kSums[rows - 1](t, sums);
  finish<S, kVecs>(t, rows, sums);
}

template <typename S, int kMr, int kVecs, int kPitch>
void call_tile(const GemmU8S8Tile& t, int rows) noexcept {
  t.a_signed ? call_tile<S, kMr, kVecs, kPitch, true>(t, rows)
             : call_tile<S, kMr, kVecs, kPitch, false>(t, rows);
}

// The last columns may be so few that one vector of two does.
template <typename S, int kMr, int kVecs>
void any_tile(const GemmU8S8Tile& t, int rows) noexcept {
  if (kVecs == 2 && t.cols <= S::kLanes)
    call_tile<S, kMr, 1, kVecs>(t, rows);
  else
    call_tile<S, kMr, kVecs, kVecs>(t, rows);
}
