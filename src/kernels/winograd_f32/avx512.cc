#include "simd/avx512.h"

#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd_f32/winograd_f32.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::avx512 {

#include "kernels/winograd_f32/winograd_f32-inl.h"

void winograd_f32_transform_14x32(const WinogradF32Block& b) noexcept {
  transform<simd::Avx512>(b);
}
void winograd_f32_panel_14x32(const WinogradF32Block& b, int64_t p) noexcept {
  panel<simd::Avx512, 14, 2>(b, p);
}

}  // namespace tersor::kernels::avx512
#include "simd/end.h"
