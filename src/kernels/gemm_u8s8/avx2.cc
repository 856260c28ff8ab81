#include "simd/avx2.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::avx2 {

#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"
#include "kernels/gemm_u8s8/panels-inl.h"
// They build on it.
#include "kernels/gemm_u8s8/fours-inl.h"
#include "kernels/gemm_u8s8/magnitudes-inl.h"

void gemm_u8s8_4x16(const GemmU8S8Tile& t, int rows) noexcept {
  any_tile<simd::Avx2, 4, 2>(t, rows);
}

void gemm_u8s8_fours_4x16(const GemmU8S8Panel& p) noexcept { any_fours_panel<simd::Avx2, 4>(p); }

void gemm_u8s8_prepare_4x16(const GemmU8S8Rows& r) noexcept { prepare_rows<simd::Avx2, 4>(r); }
void gemm_u8s8_magnitudes_4x16(const GemmU8S8Panel& p) noexcept {
  any_magnitudes_panel<simd::Avx2, 4>(p);
}

}  // namespace tersor::kernels::avx2
#include "simd/end.h"
