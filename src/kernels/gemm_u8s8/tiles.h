// The form `tiles` of gemm_u8s8 (kernels/tiles): for gemm_u8s8.cc. Rows that are read where they
// lie go on behind their last position into what follows in memory, which meets weights of zero.
// Packed panel: [quads of positions * k, up to a whole number of tiles][nr][4].
#pragma once

#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels::tiles {

WorkSplit split(const GemmU8S8Weights& weights, int64_t m, int threads) noexcept;
size_t scratch_bytes(const GemmU8S8Weights& weights) noexcept;
void run(const GemmU8S8Weights& weights, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept;

}  // namespace tersor::kernels::tiles
