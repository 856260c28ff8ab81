// Products of bf16 by tiles (kernels/tiles), for gemm_f32.cc: rows are read where they lie only if
// they end with a tile, since what follows in memory may be no number.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace tersor::kernels::tiles {

WorkSplit split(const GemmF32Weights& weights, int64_t m, int threads) noexcept;
size_t scratch_bytes(const GemmF32Weights& weights) noexcept;
void run(const GemmF32Weights& weights, const GemmF32Call& call, Range m, Range columns,
         std::byte* scratch) noexcept;

}  // namespace tersor::kernels::tiles
