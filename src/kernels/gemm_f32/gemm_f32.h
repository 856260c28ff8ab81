// f32 product and convolution:
//   out[m][n] = clamp(bias[n] + sum over p, k of A[p][m][k] * W[p][k][n] + residual[m][n], min,
//   max)
// How to call (same for a product and a convolution):
//   at bind   layout = MatrixLayout::rows(K, N, transposed) or conv_layout(shape);
//             row = select_gemm_f32({m or -1, layout}, isa);
//             packed = 64-byte aligned buffer of packed_bytes(row, layout);  pack(row, layout, b,
//             packed); weights = GemmF32Weights(row, layout, packed);
//   at run    call.a = RowSource::dense(a, lda) or RowSource::pixels(x, shape, zeros,
//   layout.flatten);
//             call.out, call.out_stride, call.bias, ...;
//             split = split_work(m, weights.panels(), row.mr, threads);
//             for each task i: run(weights, call, split.rows(i), split.columns(i), scratch of that
//             thread)
// Packed layout, NR columns a panel, the last one padded with zeros:
//   [group][N / NR][position][k][NR]
// Sums run over p, then k, in order, by fused multiply-add on every ISA but portable, so all of
// those agree bit for bit. NaN passes through the clamp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/isa.h"
#include "kernels/conv_common/conv.h"

namespace tersor::kernels {

// One tile: at most mr rows of one panel.
struct GemmF32Tile {
  const float* const* a;  // [positions][mr]
  int64_t positions, k;
  const float* b;  // the panel
  int cols;        // 1..nr
  float* out;
  int64_t out_stride;
  const float* bias;      // of this panel's first column; may be null
  const float* residual;  // of the tile's first element; may be null
  int64_t residual_stride;
  float min, max;
};

struct GemmF32Row {
  const char* name;
  base::Isa isa;
  int mr, nr;
  void (*tile)(const GemmF32Tile&, int rows) noexcept;  // rows in 1..mr
};
std::span<const GemmF32Row> gemm_f32_rows() noexcept;  // best last

struct GemmF32Shape {
  int64_t m = -1;  // -1: not known yet
  MatrixLayout layout;
};
const GemmF32Row& select_gemm_f32(const GemmF32Shape& shape, base::IsaSet isa) noexcept;

struct GemmF32Weights {
  const GemmF32Row* row = nullptr;
  const float* data = nullptr;
  int64_t groups = 1, positions = 1, k = 0, n = 0;  // as packed; n per group

  GemmF32Weights() = default;
  GemmF32Weights(const GemmF32Row& r, const MatrixLayout& l, const float* packed) noexcept
      : row(&r),
        data(packed),
        groups(l.groups),
        positions(l.packed_positions()),
        k(l.packed_k()),
        n(l.n) {}
  int64_t group_panels() const noexcept { return (n + row->nr - 1) / row->nr; }
  int64_t panels() const noexcept { return groups * group_panels(); }
};

size_t packed_bytes(const GemmF32Row& row, const MatrixLayout& layout) noexcept;
void pack(const GemmF32Row& row, const MatrixLayout& layout, const float* b,
          float* packed) noexcept;
// Only these panels (of groups * ceil(n / nr)), to share the work of packing a computed operand.
void pack_panels(const GemmF32Row& row, const MatrixLayout& layout, const float* b, Range panels,
                 float* packed) noexcept;

struct GemmF32Call {
  RowSource a;
  float* out = nullptr;
  int64_t out_stride = 0;           // elements from row to row, >= groups * n
  const float* bias = nullptr;      // [groups * n]
  const float* residual = nullptr;  // rows of groups * n elements; may be `out` itself
  int64_t residual_stride = 0;
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();
};

// Bytes of scratch one thread needs, 64-byte aligned. With k or n zero out is clamp(bias +
// residual).
size_t scratch_bytes(const GemmF32Weights& weights) noexcept;
void run(const GemmF32Weights& weights, const GemmF32Call& call, Range m, Range panels,
         std::byte* scratch) noexcept;

// The specification: the same sums in double, rounded once.
void reference(const MatrixLayout& layout, const float* b, const GemmF32Call& call,
               int64_t m) noexcept;

}  // namespace tersor::kernels
