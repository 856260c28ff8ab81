#include "simd/avxvnni.h"

#include <type_traits>

#include "kernels/dwconv/dwconv.h"
#include "simd/begin_avxvnni.h"
namespace tersor::kernels::avxvnni {

#include "kernels/dwconv/dwconv_u8s8-inl.h"

void dwconv_u8s8_2x32(const DwconvU8S8Tile& t, int rows) noexcept {
  any_dw_tile<simd::AvxVnni, 2>(t, rows);
}

void dwconv_u8s8_line_32(const DwconvU8S8Line& t) noexcept { any_dw_line<simd::AvxVnni>(t); }

}  // namespace tersor::kernels::avxvnni
#include "simd/end.h"
