#include "simd/avx2.h"

#include <array>
#include <utility>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::avx2 {

#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"

void gemm_u8s8_4x16(const GemmU8S8Tile& t, int rows) noexcept {
  any_tile<simd::Avx2, 4, 2>(t, rows);
}

}  // namespace tersor::kernels::avx2
#include "simd/end.h"
