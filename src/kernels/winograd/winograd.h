// The exact 8-bit 3x3 convolution by Winograd's F(4x4, 3x3) in 16-bit integers: a quarter of the
// products. Stride 1, dilation 1, one group; results equal gemm_u8s8's bit for bit.
//
// With the points 0, 2, 1, -1, -1/2 and infinity (Toom-Cook, transposed; Winograd 1980),
//   30 y = A [(G g) * (B d)]      for 4 outputs y, 6 inputs d, 3 weights g, in each dimension
// holds over the integers, where
//   B |d| <= 7 * 255  with both signs, so that two dimensions stay within 98 * 255 < 2^15,
//   |G g| <= 7 * 128, in two dimensions 49 * 128 < 2^15,
// so products fit 16 x 16 bits. Their sums are taken modulo 2^32: A [...] A^T = 900 y = 4 * 225 y,
// 225 is odd and has an inverse modulo 2^32, hence 4 y modulo 2^32 and, |y| being less than 2^29,
// y itself. This pair of colliding points per residue class modulo 2 is what keeps the power of two
// in 900 so low; the usual points (0, +-1, +-2) leave 2^6 of it.
#pragma once

#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels {

struct WinogradBlock;

struct WinogradRow {
  const char* name;
  base::Isa isa;
  int mr, nr;    // of the products: tiles of pixels, columns
  int channels;  // inputs are padded with zeros to a multiple of this
  int lines;     // of the transformed 6 x 6 whose weights are made at a time
  void (*transform)(const WinogradBlock&) noexcept;  // pixels to `inputs`
  void (*panel)(const WinogradBlock&, int64_t panel) noexcept;
};
std::span<const WinogradRow> winograd_rows() noexcept;  // best last

// Whether the convolution has this form, and its sums stay below 2^29.
bool winograd_fits(const ConvShape& shape) noexcept;

struct WinogradWeights {
  const WinogradRow* row = nullptr;
  const int8_t* data = nullptr;
  int64_t c = 0, n = 0;

  int64_t padded_c() const noexcept {
    return (c + row->channels - 1) / row->channels * row->channels;
  }
  int64_t panels() const noexcept { return (n + row->nr - 1) / row->nr; }
  // Of a thread for which weights are transformed again. Those of bytes are sooner than pixels.
  int64_t least_tiles() const noexcept { return 3 * row->mr / 2; }
};

// The row for a layer whose output has oh x ow pixels per image, or nullptr if the direct
// convolution is expected to be faster there; sizes below 1: not known.
const WinogradRow* select_winograd(const ConvShape& shape, base::IsaSet isa) noexcept;

size_t winograd_packed_bytes(const WinogradRow& row, const ConvShape& shape) noexcept;
// `b`: weights [oc, c, 3, 3]. Packed layout: [panel][padded c / 2][3 * 3][nr][2]: weights are
// transformed while they are used, which takes less time than to read the eight times larger
// result. Sets the sums of each output's weights, as gemm_u8s8's pack does.
WinogradWeights winograd_pack(const WinogradRow& row, const ConvShape& shape, const int8_t* b,
                              int8_t* packed, int32_t* column_sums) noexcept;

// Tiles of 4 x 4 outputs, over all images.
int64_t winograd_tiles(const ConvShape& shape) noexcept;
// By tiles where each thread has `least` of them and more, else by panels.
WorkSplit winograd_split(int64_t tiles, int64_t panels, int mr, int threads,
                         int64_t least) noexcept;
// The same of the weights of any family.
template <typename Weights>
WorkSplit winograd_split(int64_t tiles, const Weights& w, int threads) noexcept {
  return winograd_split(tiles, w.panels(), w.row->mr, threads, w.least_tiles());
}
// For calls of at most so many tiles.
size_t winograd_scratch_bytes(const WinogradWeights& weights, int64_t tiles) noexcept;

// call.a is RowSource::pixels; call.epilogue as for gemm_u8s8 with b_zero null. Computes the tiles
// `tiles` of the columns of `panels`.
void winograd_run(const WinogradWeights& weights, const GemmU8S8Call& call, Range tiles,
                  Range panels, std::byte* scratch) noexcept;

// Some tiles on their way, for the rows.
struct WinogradBlock {
  const WinogradWeights* weights;
  const GemmU8S8Call* call;
  Range tiles;
  int16_t* inputs;       // [36][tiles * padded c + gap]
  int32_t* outputs;      // [36][tiles * nr + gap]
  int64_t chunk;         // channels whose weights are transformed at a time
  int16_t* transformed;  // [lines * 6][chunk * nr + gap]
  // So that not all of the 36 begin in one set of the L1 cache. In elements.
  static constexpr int64_t kGap = 32;
};

}  // namespace tersor::kernels
