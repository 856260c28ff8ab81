#include "simd/avx512bf16.h"

#include <utility>

#include "kernels/gemm_f32/gemm_f32.h"
#include "simd/begin_avx512bf16.h"
namespace tersor::kernels::avx512bf16 {

#include "kernels/gemm_f32/gemm_f32-inl.h"

void gemm_bf16_14x32(const GemmF32Tile& t, int rows) noexcept {
  any_tile<simd::Avx512Bf16, 14, 2, Pairs<simd::Avx512Bf16>>(t, rows);
}

}  // namespace tersor::kernels::avx512bf16
#include "simd/end.h"
