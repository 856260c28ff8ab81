#include "simd/avx512vnni.h"

#include <type_traits>

#include "kernels/dwconv/dwconv.h"
#include "simd/begin_avx512vnni.h"
namespace tersor::kernels::avx512vnni {

#include "kernels/dwconv/dwconv_u8s8-inl.h"
#include "kernels/dwconv/slide-inl.h"

void dwconv_u8s8_2x64(const DwconvU8S8Tile& t, int rows) noexcept {
  any_dw_tile<simd::Avx512Vnni, 2>(t, rows);
}

void dwconv_u8s8_line_64(const DwconvU8S8Line& t) noexcept { any_dw_line<simd::Avx512Vnni>(t); }

void dwconv_u8s8_slide_64(const DwconvTwoRows& t) noexcept { any_dw_slide<simd::Avx512Vnni>(t); }

void dwconv_u8s8_2x32(const DwconvU8S8Tile& t, int rows) noexcept {
  any_dw_tile<simd::Avx512VnniHalf, 2>(t, rows);
}

void dwconv_u8s8_line_32(const DwconvU8S8Line& t) noexcept { any_dw_line<simd::Avx512VnniHalf>(t); }

void dwconv_u8s8_slide_32(const DwconvTwoRows& t) noexcept {
  any_dw_slide<simd::Avx512VnniHalf>(t);
}

}  // namespace tersor::kernels::avx512vnni
#include "simd/end.h"
