#include "simd/avx2.h"

#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd/winograd.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::avx2 {

#include "kernels/winograd/winograd-inl.h"

void winograd_transform_4x16(const WinogradBlock& b) noexcept { transform<simd::Avx2>(b); }
void winograd_panel_4x16(const WinogradBlock& b, int64_t p) noexcept {
  panel<simd::Avx2, 4, 2, 1>(b, p);
}

}  // namespace tersor::kernels::avx2
#include "simd/end.h"
