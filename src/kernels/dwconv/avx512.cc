#include "simd/avx512.h"

#include <type_traits>

#include "kernels/dwconv/dwconv.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::avx512 {

#include "kernels/dwconv/dwconv_f32-inl.h"
#include "kernels/dwconv/dwconv_u8s8-inl.h"
#include "kernels/dwconv/pairs-inl.h"

void dwconv_f32_4x32(const DwconvF32Tile& t, int rows) noexcept {
  any_dw_tile<simd::Avx512, 4, 2>(t, rows);
}

void dwconv_f32_line(const DwconvF32Line& t) noexcept { any_dw_line<simd::Avx512>(t); }

void dwconv_f32_slide(const DwconvF32Line& t) noexcept { any_dw_slide<simd::Avx512, 4>(t); }

void dwconv_u8s8_2x64(const DwconvU8S8Tile& t, int rows) noexcept {
  any_dw_tile<simd::Avx512, 2>(t, rows);
}

void dwconv_u8s8_pairs_64(const DwconvTwoRows& t) noexcept { any_dw_pairs<simd::Avx512>(t); }

}  // namespace tersor::kernels::avx512
#include "simd/end.h"
