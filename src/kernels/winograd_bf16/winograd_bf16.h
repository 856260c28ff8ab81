// The bf16 3x3 convolution by Winograd's F(2x2, 3x3): 4/9 of the products. Stride 1, dilation 1,
// one group, an even number of channels.
//   y = A [(G g) * (B d)]      for 2 outputs y, 4 inputs d, 3 weights g, in each dimension
//   B d = (d0 - d2, d1 + d2, d2 - d1, d1 - d3)     A m = (m0 + m1 + m2, m1 - m2 - m3)
//   G g = (g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2)
// G g and B d are computed in f32 and rounded to bf16, products are summed in f32 as gemm_f32 sums
// bf16, A and the rest are f32. The rounding of both operands changes a result by at most
// (2^-7 + 2^-16) A [|G| |g| * |B| |d|], that is, for numbers of random sign, by 5/3 of what a
// direct sum of operands rounded to bf16 is off in the mean. (F(4x4, 3x3) would make that 5 to 7.)
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace tersor::kernels {

struct WinogradBf16Block;

struct WinogradBf16Row {
  const char* name;
  base::Isa isa;
  int mr, nr;                                            // of the products: tiles, columns
  void (*tile)(const GemmF32Tile&, int rows) noexcept;   // of a gemm_f32 row of bf16
  void (*transform)(const WinogradBf16Block&) noexcept;  // pixels to `inputs`
  void (*restore)(const WinogradBf16Block&, int64_t panel) noexcept;  // `outputs` to results
};
std::span<const WinogradBf16Row> winograd_bf16_rows() noexcept;  // best last

// Whether the convolution has this form.
bool winograd_bf16_fits(const ConvShape& shape) noexcept;
// The row for a layer whose output has oh x ow pixels per image, or nullptr if there is none or the
// direct convolution is expected to be faster; sizes below 1: not known.
const WinogradBf16Row* select_winograd_bf16(const ConvShape& shape, base::IsaSet isa) noexcept;

struct WinogradBf16Weights {
  const WinogradBf16Row* row = nullptr;
  const simd::bfloat16* data = nullptr;
  int64_t c = 0, n = 0;

  int64_t panels() const noexcept { return (n + row->nr - 1) / row->nr; }
  // Of a thread for which weights are transformed again.
  int64_t least_tiles() const noexcept { return 4 * row->mr; }
  // Tiles of 2 x 2 outputs, over all images.
  static int64_t tiles(const ConvShape& shape) noexcept;
};

size_t packed_bytes(const WinogradBf16Row& row, const ConvShape& shape) noexcept;
// `b`: weights [oc, c, 3, 3]. Packed layout: G g as [panel][4 * 4][c / 2][nr][2].
WinogradBf16Weights pack(const WinogradBf16Row& row, const ConvShape& shape, const float* b,
                         std::byte* packed) noexcept;

// For calls of at most so many tiles.
size_t scratch_bytes(const WinogradBf16Weights& weights, int64_t tiles) noexcept;
// call.a is RowSource::pixels and both types bf16; the rest as for gemm_f32. Computes the tiles
// `tiles` of the columns of `panels`.
void run(const WinogradBf16Weights& weights, const GemmF32Call& call, Range tiles, Range panels,
         std::byte* scratch) noexcept;

// Some tiles on their way, for the rows.
struct WinogradBf16Block {
  const WinogradBf16Weights* weights;
  const GemmF32Call* call;
  Range tiles;
  simd::bfloat16* inputs;  // [16][tiles * c + gap]
  float* outputs;          // [16][tiles * nr + gap]
  // So that not all of the 16 begin in one set of the L1 cache. In elements.
  static constexpr int64_t kGap = 32;

  int64_t input_stride() const noexcept { return tiles.size() * weights->c + kGap; }
  int64_t output_stride() const noexcept { return tiles.size() * weights->row->nr + kGap; }
};

}  // namespace tersor::kernels
