// The 3x3 convolution by Winograd's F(4x4, 3x3) in f32: a quarter of the products. Stride 1,
// dilation 1, one group. Pixels and results may be f16 or bf16 in memory.
//   y = A [(G g) * (B d)]      for 4 outputs y, 6 inputs d, 3 weights g, in each dimension
// The points are 0, 2, 1, -1, -1/2 and infinity (Toom-Cook, transposed; Winograd 1980), as in the
// integer family `winograd`: B has small integers only, and the largest error is a third of that of
// the usual points 0, +-1, +-2 (see Barabasz et al. 2020), about three times the direct sum's.
#pragma once

#include "kernels/conv_common/parts.h"
#include "kernels/gemm_f32/gemm_f32.h"

namespace tersor::kernels {

struct WinogradF32Block;

struct WinogradF32Row {
  const char* name;
  base::Isa isa;
  int mr, nr;                                           // of the products: tiles of pixels, columns
  void (*transform)(const WinogradF32Block&) noexcept;  // pixels to `inputs`
  void (*panel)(const WinogradF32Block&, int64_t panel) noexcept;
};
std::span<const WinogradF32Row> winograd_f32_rows() noexcept;  // best last

// Whether the convolution has this form.
bool winograd_f32_fits(const ConvShape& shape) noexcept;
// The row for a layer whose output has oh x ow pixels per image, or nullptr if the direct
// convolution is expected to be faster there; sizes below 1: not known.
const WinogradF32Row* select_winograd_f32(const ConvShape& shape, base::IsaSet isa) noexcept;

struct WinogradF32Weights {
  const WinogradF32Row* row = nullptr;
  const float* data = nullptr;
  int64_t c = 0, n = 0;
  int64_t panels() const noexcept { return (n + row->nr - 1) / row->nr; }
  // Of a thread for which weights are transformed again.
  int64_t least_tiles() const noexcept { return 4 * row->mr; }
  // Tiles of 4 x 4 outputs, over all images.
  static int64_t tiles(const ConvShape& shape) noexcept;
};

size_t packed_bytes(const WinogradF32Row& row, const ConvShape& shape) noexcept;
// `b`: weights [oc, c, 3, 3]. Packed layout: [panel][c][3 * 3][nr]; transformed while they are
// used.
WinogradF32Weights pack(const WinogradF32Row& row, const ConvShape& shape, const float* b,
                        std::byte* packed) noexcept;

// For calls of at most so many tiles of 4 x 4 outputs (WinogradF32Weights::tiles).
size_t scratch_bytes(const WinogradF32Weights& weights, int64_t tiles) noexcept;
// call.a is RowSource::pixels; the rest as for gemm_f32. Computes the tiles `tiles` of the columns
// of `panels`.
void run(const WinogradF32Weights& weights, const GemmF32Call& call, Range tiles, Range panels,
         std::byte* scratch) noexcept;

// Some tiles on their way, for the rows.
struct WinogradF32Block {
  const WinogradF32Weights* weights;
  const GemmF32Call* call;
  Range tiles;
  float* inputs;       // [36][tiles * pitch + gap]
  float* outputs;      // [36][tiles * nr + gap]
  int64_t chunk;       // channels whose weights are transformed at a time
  float* transformed;  // [6][chunk * nr + gap]
  // So that not all of the 36 begin in one set of the L1 cache. In elements.
  static constexpr int64_t kGap = 16;

  int64_t pitch() const noexcept { return spread_pitch<float>(weights->c); }
  int64_t input_stride() const noexcept { return tiles.size() * pitch() + kGap; }
};

}  // namespace tersor::kernels
