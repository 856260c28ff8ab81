// The tile of gemm_u8s8 over the vector language. Included inside the target region and the
// namespace of one ISA, so that each has instances of its own. No include guard.

#include "kernels/gemm_u8s8/epilogue-inl.h"

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
