// Float product and convolution, summed in f32:
//   out[m][n] = clamp(bias[n] + sum over p, k of A[p][m][k] * W[p][k][n] + residual[m][n], min,
//   max)
// A, out and residual are f32, or f16 or bf16, then rounded once, on the way out. Rows multiply in
// f32, to which A is widened tile by tile, or bf16 as it is (`operands`).
// How to call (same for a product and a convolution):
//   at bind   layout = MatrixLayout::rows(K, N, transposed) or conv_layout(shape);
//             row = select_gemm_f32({m or -1, layout}, isa);
//             packed = 64-byte aligned buffer of packed_bytes(row, layout);
//             pack(row, layout, b, type of b, packed); weights = GemmF32Weights(row, layout,
//             packed);
//   at run    call.a = RowSource::dense(a, lda) or RowSource::pixels(x, shape, zeros,
//   layout.flatten);
//             call.out, call.out_stride, call.bias, ...;
//             split = split_work(weights, m, threads);
//             for each task i: run(weights, call, split.rows(i), split.columns(i), scratch of that
//             thread)
// Packed layout, NR columns a panel, the last one padded with zeros:
//   f32 [group][N / NR][position][k][NR]      bf16 [group][N / NR][position][k / 2][NR][2]
//   bf16 by tiles (tiles.h) [group][N / NR][pairs of positions * k, to whole tiles][NR][2]
// Sums of f32 run over p, then k, in order, by fused multiply-add on every ISA but portable, so all
// of those agree bit for bit. Sums of bf16 take pairs of k at a time: products are exact, every sum
// is rounded to f32, so that with K products the error is at most (K + 2) 2^-24 times the sum of
// magnitudes; products, sums and operands below 2^-126 may count as 0. NaN passes through the
// clamp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/isa.h"
#include "kernels/conv_common/conv.h"
#include "kernels/halves/halves.h"
#include "kernels/tiles/tiles.h"

namespace tersor::kernels {

// One tile: at most mr rows of one panel.
struct GemmF32Tile {
  const void* const* a;  // [positions][mr]
  int64_t positions, k;
  const void* b;   // the panel
  int cols;        // 1..nr
  FloatType type;  // of out and residual
  void* out;       // the tile's first element
  int64_t out_stride;
  const float* bias;     // of this panel's first column; may be null
  const void* residual;  // of the tile's first element; may be null
  int64_t residual_stride;
  float min, max;
};

// For tiles: rows times some panels of `cols` columns; the first tile, of which a, positions, k are
// not used.
struct GemmF32Panel : TilesPanel {
  GemmF32Tile tile;
};

struct GemmF32Row {
  const char* name;
  base::Isa isa;
  int mr, nr;
  void (*tile)(const GemmF32Tile&, int rows) noexcept;  // rows in 1..mr
  FloatType operands = FloatType::f32;                  // or bf16
  // By tiles, instead of `tile`.
  void (*panel)(const GemmF32Panel&) noexcept = nullptr;
  TilesCalls tiles = {};
  bool by_tiles() const noexcept { return panel != nullptr; }

  // Elements of k that are multiplied at a time.
  int depth() const noexcept { return operands == FloatType::bf16 ? 2 : 1; }
  int64_t padded(int64_t k) const noexcept { return (k + depth() - 1) / depth() * depth(); }
};
std::span<const GemmF32Row> gemm_f32_rows() noexcept;  // best last

struct GemmF32Shape {
  int64_t m = -1;  // -1: not known yet
  MatrixLayout layout;
  FloatType type = FloatType::f32;  // of A; bf16 only if W has no finer numbers
};
const GemmF32Row& select_gemm_f32(const GemmF32Shape& shape, base::IsaSet isa) noexcept;

struct GemmF32Weights {
  const GemmF32Row* row = nullptr;
  const std::byte* data = nullptr;
  int64_t groups = 1, positions = 1, k = 0, n = 0;  // as packed; n per group
  int64_t taps = 1;                                 // positions before flattening

  GemmF32Weights() = default;
  GemmF32Weights(const GemmF32Row& r, const MatrixLayout& l, const std::byte* packed) noexcept
      : row(&r),
        data(packed),
        groups(l.groups),
        positions(l.packed_positions()),
        k(l.packed_k()),
        n(l.n),
        taps(l.positions) {}
  int64_t group_panels() const noexcept { return (n + row->nr - 1) / row->nr; }
  int64_t panels() const noexcept { return groups * group_panels(); }
};

// Work of `m` rows, as the row likes it.
WorkSplit split_work(const GemmF32Weights& weights, int64_t m, int threads) noexcept;

size_t packed_bytes(const GemmF32Row& row, const MatrixLayout& layout) noexcept;
// Of one of its panels.
int64_t packed_panel_bytes(const GemmF32Row& row, int64_t positions, int64_t k) noexcept;
void pack(const GemmF32Row& row, const MatrixLayout& layout, const void* b, FloatType type,
          std::byte* packed) noexcept;
// Only these panels (of groups * ceil(n / nr)), to share the work of packing a computed operand.
void pack_panels(const GemmF32Row& row, const MatrixLayout& layout, const void* b, FloatType type,
                 Range panels, std::byte* packed) noexcept;

struct GemmF32Call {
  FloatType a_type = FloatType::f32;  // bf16 where the row multiplies that
  FloatType type = FloatType::f32;    // of out and residual
  RowSource a;
  void* out = nullptr;
  int64_t out_stride = 0;          // elements from row to row, >= groups * n
  const float* bias = nullptr;     // [groups * n]
  const void* residual = nullptr;  // rows of groups * n elements; may be `out` itself
  int64_t residual_stride = 0;
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();
};

// Bytes of scratch one thread needs, 64-byte aligned. With k or n zero out is clamp(bias +
// residual).
size_t scratch_bytes(const GemmF32Weights& weights, const GemmF32Call& call) noexcept;
void run(const GemmF32Weights& weights, const GemmF32Call& call, Range m, Range panels,
         std::byte* scratch) noexcept;

// The specification, for f32: the same sums in double, rounded once.
void reference(const MatrixLayout& layout, const float* b, const GemmF32Call& call,
               int64_t m) noexcept;

}  // namespace tersor::kernels
