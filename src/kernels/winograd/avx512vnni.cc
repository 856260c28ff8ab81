#include "simd/avx512vnni.h"

#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd/winograd.h"
#include "simd/begin_avx512vnni.h"
namespace tersor::kernels::avx512vnni {

#include "kernels/winograd/winograd-inl.h"

void winograd_transform_14x32(const WinogradBlock& b) noexcept { transform<simd::Avx512Vnni>(b); }
void winograd_panel_14x32(const WinogradBlock& b, int64_t p) noexcept {
  panel<simd::Avx512Vnni, 14, 2, 2>(b, p);
}

}  // namespace tersor::kernels::avx512vnni
#include "simd/end.h"
