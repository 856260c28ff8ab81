#include "simd/amx.h"

#include <algorithm>

#include "kernels/gemm_f32/gemm_f32.h"
#include "simd/begin_amx.h"
namespace tersor::kernels::amx {

#include "kernels/tiles/tiles-inl.h"
// It builds on that.
#include "kernels/gemm_f32/tiles-inl.h"

void gemm_bf16_open() noexcept { simd::Amx::Tiles::open(); }
void gemm_bf16_close() noexcept { simd::Amx::Tiles::close(); }
void gemm_bf16_copy(const TilesCopy& c) noexcept {
  copy_rows<simd::Amx, simd::Avx512VnniHalf, true>(c);
}
void gemm_bf16_tiles_32x16(const GemmF32Panel& p) noexcept { any_tiles_panel<simd::Amx>(p); }

}  // namespace tersor::kernels::amx
#include "simd/end.h"
