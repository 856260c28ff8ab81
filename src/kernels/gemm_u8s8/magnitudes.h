// The form `magnitudes` of gemm_u8s8: how W is packed and rows are walked. For gemm_u8s8.cc.
//
// pmaddubsw adds two products of an unsigned and a signed byte in 16 bits, saturating. Rows of A
// are prepared in one of two ways so that it never does, whatever the weights:
//   signs   |a| <= 128 and the sign of a, counted from the middle of its range, times w ^ sign
//   splits  a - base = l + 128 h: the low seven bits l, and for the few quads that have any digit h
//           in -1, 0, 1 other than 0, 128 times its products. Faster where most of a lies in the
//           128 numbers from base on, as it does after a Relu (base 0) or around a zero point. What
//           is kept is h + 1, or h if base is 0: it cannot be negative then.
// Two such results may be added in 16 bits before they are widened if, over the four weights,
//   the sum of 127 w for w >= 0, 128 (|w| - 1) else   is at most 32767, and
//   the sum of 128 (w + 1) for w >= 0, 127 |w| else   is at most 32768.
// The packer looks for quads of k for which that holds in every column of a panel; the others go
// one by one. Packed panel, Q quads: int32 number of pairs; int32[Q] offset of each quad in the
// prepared rows; int32[Q] offset in the panel's quads of quad q; int32[NR] 128 times the sum of the
// weights; padding to 64 bytes; the quads, pairs first: [NR][4].
#pragma once

#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels::magnitudes {

int64_t panel_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept;
// Puts the quads of a panel, packed from position to position behind its head, in order.
void arrange(const GemmU8S8Row& row, int64_t positions, int64_t k, int8_t* panel) noexcept;
// Where those quads begin.
int8_t* quads_of(const GemmU8S8Row& row, int64_t positions, int64_t k, int8_t* panel) noexcept;

size_t scratch_bytes(const GemmU8S8Weights& weights) noexcept;
void run(const GemmU8S8Weights& weights, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept;

}  // namespace tersor::kernels::magnitudes
