#include <utility>

#include "kernels/gemm_f32/gemm_f32.h"
#include "simd/emu.h"

namespace tersor::kernels::portable {

#include "kernels/gemm_f32/gemm_f32-inl.h"

void gemm_f32_4x8(const GemmF32Tile& t, int rows) noexcept {
  any_tile<simd::Emu<128>, 4, 2>(t, rows);
}

}  // namespace tersor::kernels::portable
