#include "simd/avx2.h"

#include <utility>

#include "kernels/gemm_f32/gemm_f32.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::avx2 {

#include "kernels/gemm_f32/gemm_f32-inl.h"

void gemm_f32_6x16(const GemmF32Tile& t, int rows) noexcept { any_tile<simd::Avx2, 6, 2>(t, rows); }

}  // namespace tersor::kernels::avx2
#include "simd/end.h"
