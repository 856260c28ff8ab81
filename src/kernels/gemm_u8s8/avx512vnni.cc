#include "simd/avx512vnni.h"

#include <array>
#include <utility>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/begin_avx512vnni.h"
namespace tersor::kernels::avx512vnni {

#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"

void gemm_u8s8_14x32(const GemmU8S8Tile& t, int rows) noexcept {
  any_tile<simd::Avx512Vnni, 14, 2>(t, rows);
}

}  // namespace tersor::kernels::avx512vnni
#include "simd/end.h"
