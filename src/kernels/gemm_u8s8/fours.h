// The form `fours` of gemm_u8s8: which weights add up in 16 bits. For gemm_u8s8.cc and pack.cc.
//
// pmaddubsw adds two products of an unsigned and a signed byte in 16 bits, saturating. Of two quads
// of k, the first halves and the second halves meet in one sum of four products each. With A in
// 0..255 that fits whatever the data, if of the four weights the positive ones add up to at most
// 128 and the negative ones to at least -128 (255 * 128 = 32640). Where that holds in every column
// of a panel the two quads are a couple; other quads are widened to 16 bits before they are
// multiplied. A panel meets many rows at a time, so that what a call costs counts little where K is
// small. Packed panel: int32 lengths of the runs, padding to 64 bytes, the quads as in the
// form `quads`. Of each position the quads come in runs: couples, single quads, couples, ... until
// all whole ones are there; the last quad, if it is not whole, is in no run.
#pragma once

#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels::fours {

int64_t panel_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept;
// Where its quads begin.
inline int64_t head_bytes(int64_t positions, int64_t k) noexcept {
  // In a position there are at most two runs more than quads.
  return (positions * (k / 4 + 2) * 4 + 63) / 64 * 64;
}
template <typename Byte>
Byte* quads_of(int64_t positions, int64_t k, Byte* panel) noexcept {
  return panel + head_bytes(positions, k);
}
// Writes the runs of a panel whose quads are there.
void find_runs(const GemmU8S8Row& row, int64_t positions, int64_t k, int8_t* panel) noexcept;

size_t scratch_bytes(const GemmU8S8Weights& weights) noexcept;
void run(const GemmU8S8Weights& weights, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept;

}  // namespace tersor::kernels::fours
