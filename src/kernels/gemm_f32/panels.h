// What the forms of gemm_f32 have in common.
#pragma once

#include <algorithm>

#include "kernels/gemm_f32/gemm_f32.h"

namespace tersor::kernels::panels {

// What all tiles of a call share.
inline GemmF32Tile tile_of(const GemmF32Weights& w, const GemmF32Call& call) noexcept {
  GemmF32Tile t{};
  t.positions = w.positions;
  t.k = w.k;
  t.type = call.type;
  t.out_stride = call.out_stride;
  t.residual_stride = call.residual_stride;
  t.min = call.min;
  t.max = call.max;
  return t;
}

// Columns from n on of group g, whose results begin in row m0.
inline void aim(const GemmF32Weights& w, const GemmF32Call& call, int64_t m0, int64_t g, int64_t n,
                GemmF32Tile& t) noexcept {
  const int element = element_bytes(call.type);
  const int64_t column = g * w.n + n;
  t.cols = static_cast<int>(std::min<int64_t>(w.row->nr, w.n - n));
  t.bias = call.bias ? call.bias + column : nullptr;
  t.out = static_cast<std::byte*>(call.out) + (m0 * call.out_stride + column) * element;
  t.residual = call.residual ? static_cast<const std::byte*>(call.residual) +
                                   (m0 * call.residual_stride + column) * element
                             : nullptr;
}

}  // namespace tersor::kernels::panels
