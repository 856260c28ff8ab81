#include "simd/avx512.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::avx512 {

#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"
#include "kernels/gemm_u8s8/panels-inl.h"
// They build on it.
#include "kernels/gemm_u8s8/fours-inl.h"
#include "kernels/gemm_u8s8/magnitudes-inl.h"

void gemm_u8s8_10x32(const GemmU8S8Tile& t, int rows) noexcept {
  any_tile<simd::Avx512, 10, 2>(t, rows);
}

void gemm_u8s8_fours_8x32(const GemmU8S8Panel& p) noexcept { any_fours_panel<simd::Avx512, 8>(p); }

void gemm_u8s8_prepare_8x32(const GemmU8S8Rows& r) noexcept { prepare_rows<simd::Avx512, 8>(r); }
void gemm_u8s8_magnitudes_8x32(const GemmU8S8Panel& p) noexcept {
  any_magnitudes_panel<simd::Avx512, 8>(p);
}

}  // namespace tersor::kernels::avx512
#include "simd/end.h"
