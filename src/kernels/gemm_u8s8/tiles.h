// The form `tiles` of gemm_u8s8: 16 rows of 64 bytes of k times 16 columns by one instruction
// (AMX). For gemm_u8s8.cc and pack.cc.
//
// Two tiles of rows times two of columns are summed at a time. Rows are read where they lie if they
// are equally far apart; behind their last position they go on into what follows in memory, which
// meets weights of zero. Other rows, those of a convolution and the last ones, are copied together
// first. Packed panel: [quads of positions * k, up to a whole number of tiles][nr][4].
#pragma once

#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels::tiles {

constexpr int64_t kRowBytes = 64;  // of a tile

// Whether tiles are faster than vectors. Where rows are short there is little but results, which
// vectors have at hand; for few columns tiles are mostly empty. Sizes of 0: not known.
inline bool pays(const MatrixLayout& l) noexcept {
  const int64_t length = l.packed_positions() * l.packed_k();
  return (length == 0 || length >= 32) && (l.n == 0 || l.n > 16);
}

// The length of a packed row.
constexpr int64_t row_bytes(int64_t positions, int64_t k) noexcept {
  return (positions * k + kRowBytes - 1) / kRowBytes * kRowBytes;
}

WorkSplit split(const GemmU8S8Weights& weights, int64_t m, int threads) noexcept;
size_t scratch_bytes(const GemmU8S8Weights& weights) noexcept;
void run(const GemmU8S8Weights& weights, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept;

}  // namespace tersor::kernels::tiles
