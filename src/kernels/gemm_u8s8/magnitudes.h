// The form `magnitudes` of gemm_u8s8: how W is packed and rows are walked. For gemm_u8s8.cc.
//
// |a| <= 128 times w ^ sign(a): the sum of two such products fits 16 bits whatever the weights, so
// pmaddubsw never saturates. The sum of two such pairs of products fits
//   from  -sum of 128 (w + 1) for w >= 0, 127 |w| else,   to   sum of 127 w for w >= 0, 128 (|w| -
//   1) else
// over four weights. The packer looks for quads of k that may be added in 16 bits by that measure
// in every column of a panel, which saves a third of the instructions; the others go one by one.
// Packed panel: int32 number of pairs; int32 offset of each quad in the prepared rows; padding to
// 64 bytes; the quads in that order: [NR][4].
#pragma once

#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels::magnitudes {

int64_t panel_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept;
// Puts the quads of a panel, packed from position to position behind its head, in order.
void arrange(const GemmU8S8Row& row, int64_t positions, int64_t k, int8_t* panel) noexcept;
// Where those quads begin.
int8_t* quads_of(int64_t positions, int64_t k, int8_t* panel) noexcept;

size_t scratch_bytes(const GemmU8S8Weights& weights) noexcept;
void run(const GemmU8S8Weights& weights, const GemmU8S8Call& call, Range m, Range panels,
         std::byte* scratch) noexcept;

}  // namespace tersor::kernels::magnitudes
