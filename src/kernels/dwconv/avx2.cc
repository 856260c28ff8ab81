#include "simd/avx2.h"

#include <type_traits>

#include "kernels/dwconv/dwconv.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::avx2 {

#include "kernels/dwconv/dwconv_f32-inl.h"
#include "kernels/dwconv/dwconv_u8s8-inl.h"
#include "kernels/dwconv/pairs-inl.h"

void dwconv_f32_4x16(const DwconvF32Tile& t, int rows) noexcept {
  any_dw_tile<simd::Avx2, 4, 2>(t, rows);
}

void dwconv_f32_line(const DwconvF32Line& t) noexcept { any_dw_line<simd::Avx2>(t); }

void dwconv_f32_slide(const DwconvF32Line& t) noexcept { any_dw_slide<simd::Avx2, 2>(t); }

void dwconv_u8s8_2x32(const DwconvU8S8Tile& t, int rows) noexcept {
  any_dw_tile<simd::Avx2, 2>(t, rows);
}

void dwconv_u8s8_pairs_32(const DwconvTwoRows& t) noexcept { any_dw_pairs<simd::Avx2>(t); }

}  // namespace tersor::kernels::avx2
#include "simd/end.h"
