#include <array>
#include <utility>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/emu.h"

namespace tersor::kernels::portable {

#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"

void gemm_u8s8_4x8(const GemmU8S8Tile& t, int rows) noexcept {
  any_tile<simd::Emu<128>, 4, 2>(t, rows);
}

}  // namespace tersor::kernels::portable
