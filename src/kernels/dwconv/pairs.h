// The form `pairs` of u8s8 dwconv, for processors without an instruction for four products of
// bytes: pixels of two neighbouring rows of the input, widened to 16 bits and zipped, times pairs
// of weights give int32 sums, exact. Two by two outputs are computed at once, so that every pixel
// is loaded and zipped once for both rows and, mostly, both neighbours. Packed, per block of 2 *
// lanes channels (the last one overlaps the one before it so as to be whole), in the order of the
// verb zip_words: int32 bias, f32 scale, f32 fbias of each channel; words [set][kx][pair of taps][2
// * lanes][2]. At stride 1 there are two sets of weights, for the upper row of outputs (taps 0 1, 2
// -) and the lower one (- 0, 1 2); at stride 2 both rows share one.
#pragma once

#include "kernels/dwconv/dwconv.h"

namespace tersor::kernels::dw_pairs {

// Windows of 3 x 3 or 5 x 5, stride 1 or 2, no dilation, and a whole block of channels.
bool fits(const DwconvU8S8Row& row, const ConvShape& shape) noexcept;
size_t packed_bytes(const DwconvU8S8Row& row, const ConvShape& shape) noexcept;
void pack(const DwconvU8S8Row& row, const ConvShape& shape, const void* w,
          const DwconvU8S8Constants& constants, std::byte* packed) noexcept;
size_t scratch_bytes(const ConvShape& shape) noexcept;
void run(const DwconvU8S8Row& row, const ConvShape& shape, const DwconvU8S8Tile& common,
         const DwconvU8S8Call& call, Range output_rows, std::byte* scratch) noexcept;

}  // namespace tersor::kernels::dw_pairs
