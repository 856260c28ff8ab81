#include "simd/avx512.h"

#include <utility>

#include "kernels/gemm_f32/gemm_f32.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::avx512 {

#include "kernels/gemm_f32/gemm_f32-inl.h"

void gemm_f32_14x32(const GemmF32Tile& t, int rows) noexcept {
  any_tile<simd::Avx512, 14, 2>(t, rows);
}

}  // namespace tersor::kernels::avx512
#include "simd/end.h"
