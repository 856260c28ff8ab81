#include "simd/avxvnni.h"

#include <utility>

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd/winograd.h"
#include "simd/begin_avxvnni.h"
namespace tersor::kernels::avxvnni {

#include "kernels/winograd/winograd-inl.h"

void winograd_transform_6x16(const WinogradBlock& b) noexcept { transform<simd::AvxVnni>(b); }
void winograd_panel_6x16(const WinogradBlock& b, int64_t p) noexcept {
  panel<simd::AvxVnni, 6, 2, 1>(b, p);
}

}  // namespace tersor::kernels::avxvnni
#include "simd/end.h"
