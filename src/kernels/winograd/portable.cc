#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd/winograd.h"
#include "simd/emu.h"

namespace tersor::kernels::portable {

#include "kernels/winograd/winograd-inl.h"

void winograd_transform_4x8(const WinogradBlock& b) noexcept { transform<simd::Emu<128>>(b); }
void winograd_panel_4x8(const WinogradBlock& b, int64_t p) noexcept {
  panel<simd::Emu<128>, 4, 2, 1>(b, p);
}

}  // namespace tersor::kernels::portable
