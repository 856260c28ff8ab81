// What the forms that take a panel at a time share: `fours`, `magnitudes` and `tiles`. For this
// folder.
#pragma once

#include <algorithm>

#include "kernels/conv_common/parts.h"
#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels::panels {

using kernels::Parts;
using kernels::round_up;

// Whether weights come from beyond L2.
bool far_weights(const GemmU8S8Weights& w) noexcept;

// Rows that meet all panels before the next ones do, whole tiles of `tile_bytes` each.
int64_t block_rows(const GemmU8S8Weights& w, int64_t tile_bytes) noexcept;
// Blocks of whole tiles, of about the same size.
int64_t even_block(const GemmU8S8Weights& w, int64_t tile_bytes, int64_t rows) noexcept;

// The sums over p and k of rows at a[p * pitch + m], counted from -128 if int8, plus `more` each
// byte.
void sum_rows(int64_t positions, int64_t k, const uint8_t* const* a, int64_t pitch, bool a_signed,
              int more, int rows, int32_t* sums) noexcept;

// What the panels of a call have in common; `sums`: of rows of A, where they are needed.
inline GemmU8S8Panel panel_of(const GemmU8S8Call& call, const int32_t* sums) noexcept {
  GemmU8S8Panel p{};
  p.tile.a_signed = call.a_signed;
  p.tile.out_stride = call.out_stride;
  p.tile.epilogue = &call.epilogue;
  p.tile.row_sums = call.epilogue.b_zero ? sums : nullptr;
  return p;
}

// f(panels, offset) for those of `columns` that each group has, whose channels begin at `offset`.
template <typename F>
void each_group(const GemmU8S8Weights& w, const GemmU8S8Call& call, Range columns, F f) noexcept {
  const int64_t each = w.group_panels();
  const int64_t inputs = call.a.conv ? call.a.conv->group_inputs() : w.k;
  for (int64_t begin = columns.begin, end; begin < columns.end; begin = end) {
    const int64_t g = begin / each;
    end = std::min(columns.end, (g + 1) * each);
    f(Range{begin, end}, g * inputs);
  }
}

// Sets what a panel has of its place: the columns, where results go from row m0 on, and what is
// read next, up to panel `end`. Returns its packed weights.
const int8_t* aim(const GemmU8S8Weights& w, const GemmU8S8Call& call, int64_t m0, int64_t panel,
                  int64_t end, GemmU8S8Panel& p) noexcept;

}  // namespace tersor::kernels::panels
