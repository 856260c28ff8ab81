#include "simd/avx512.h"

#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd/winograd.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::avx512 {

#include "kernels/winograd/winograd-inl.h"

void winograd_transform_12x32(const WinogradBlock& b) noexcept { transform<simd::Avx512>(b); }
void winograd_panel_12x32(const WinogradBlock& b, int64_t p) noexcept {
  panel<simd::Avx512, 12, 2, 2>(b, p);
}

}  // namespace tersor::kernels::avx512
#include "simd/end.h"
