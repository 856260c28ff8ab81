#include <type_traits>

#include "kernels/dwconv/dwconv.h"
#include "simd/emu.h"

namespace tersor::kernels::portable {

#include "kernels/dwconv/dwconv_f32-inl.h"
#include "kernels/dwconv/dwconv_u8s8-inl.h"

void dwconv_f32_4x4(const DwconvF32Tile& t, int rows) noexcept {
  any_dw_tile<simd::Emu<128>, 4, 1>(t, rows);
}

void dwconv_f32_line(const DwconvF32Line& t) noexcept { any_dw_line<simd::Emu<128>>(t); }

void dwconv_f32_slide(const DwconvF32Line& t) noexcept { any_dw_slide<simd::Emu<128>, 2>(t); }

void dwconv_u8s8_2x16(const DwconvU8S8Tile& t, int rows) noexcept {
  any_dw_tile<simd::Emu<128>, 2>(t, rows);
}

void dwconv_u8s8_line_16(const DwconvU8S8Line& t) noexcept { any_dw_line<simd::Emu<128>>(t); }

}  // namespace tersor::kernels::portable
