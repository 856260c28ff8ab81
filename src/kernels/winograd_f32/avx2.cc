#include "simd/avx2.h"

#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd_f32/winograd_f32.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::avx2 {

#include "kernels/winograd_f32/winograd_f32-inl.h"

void winograd_f32_transform_6x16(const WinogradF32Block& b) noexcept { transform<simd::Avx2>(b); }
void winograd_f32_panel_6x16(const WinogradF32Block& b, int64_t p) noexcept {
  panel<simd::Avx2, 6, 2>(b, p);
}

}  // namespace tersor::kernels::avx2
#include "simd/end.h"
