#include "simd/avxvnni.h"

#include <array>
#include <utility>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/begin_avxvnni.h"
namespace tersor::kernels::avxvnni {

#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"

void gemm_u8s8_6x16(const GemmU8S8Tile& t, int rows) noexcept {
  any_tile<simd::AvxVnni, 6, 2>(t, rows);
}

}  // namespace tersor::kernels::avxvnni
#include "simd/end.h"
