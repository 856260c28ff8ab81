#include "simd/avx512.h"

#include <array>
#include <utility>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::avx512 {

#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"

void gemm_u8s8_10x32(const GemmU8S8Tile& t, int rows) noexcept {
  any_tile<simd::Avx512, 10, 2>(t, rows);
}

}  // namespace tersor::kernels::avx512
#include "simd/end.h"
