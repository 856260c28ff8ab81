#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd_f32/winograd_f32.h"
#include "simd/emu.h"

namespace tersor::kernels::portable {

#include "kernels/winograd_f32/winograd_f32-inl.h"

void winograd_f32_transform_4x8(const WinogradF32Block& b) noexcept {
  transform<simd::Emu<128>>(b);
}
void winograd_f32_panel_4x8(const WinogradF32Block& b, int64_t p) noexcept {
  panel<simd::Emu<128>, 4, 2>(b, p);
}

}  // namespace tersor::kernels::portable
