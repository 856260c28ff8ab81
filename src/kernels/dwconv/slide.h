// The form `slide` of u8s8 dwconv for windows of 3 x 3: each column of the input is zipped to quads
// of rows once, for two rows of outputs and all of each that read it. At stride 1 both rows read
// one quad of four rows, at stride 2 each has a quad of three. Packed, per block of channels (the
// bytes of a vector; the last block overlaps the one before it so as to be whole), in the order of
// the verb zip4: int32 folded bias, f32 scale, f32 fbias of each channel; weights [set][kx][4
// vectors], at stride 1 one set of taps 0 1 2 - for the upper row of outputs and one of - 0 1 2 for
// the lower, at stride 2 one of 0 1 2 -.
#pragma once

#include "kernels/dwconv/dwconv.h"

namespace tersor::kernels::dw_slide {

// The window, and a whole block of channels.
bool fits(const DwconvU8S8Row& row, const ConvShape& shape) noexcept;
size_t packed_bytes(const DwconvU8S8Row& row, const ConvShape& shape) noexcept;
void pack(const DwconvU8S8Row& row, const ConvShape& shape, const void* w,
          const DwconvU8S8Constants& constants, std::byte* packed) noexcept;
size_t scratch_bytes(const ConvShape& shape) noexcept;
void run(const DwconvU8S8Row& row, const ConvShape& shape, const DwconvU8S8Tile& common,
         const DwconvU8S8Call& call, Range output_rows, std::byte* scratch) noexcept;

}  // namespace tersor::kernels::dw_slide
