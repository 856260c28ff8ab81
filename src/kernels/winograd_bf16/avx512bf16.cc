#include "simd/avx512bf16.h"

#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd_bf16/winograd_bf16.h"
#include "simd/begin_avx512bf16.h"
namespace tersor::kernels::avx512bf16 {

#include "kernels/winograd_bf16/winograd_bf16-inl.h"

void winograd_bf16_transform(const WinogradBf16Block& b) noexcept {
  transform<simd::Avx512Bf16>(b);
}
void winograd_bf16_restore(const WinogradBf16Block& b, int64_t panel) noexcept {
  restore<simd::Avx512Bf16>(b, panel);
}

}  // namespace tersor::kernels::avx512bf16
#include "simd/end.h"
