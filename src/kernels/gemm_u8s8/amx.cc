#include "simd/amx.h"

#include <algorithm>

#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "simd/begin_amx.h"
namespace tersor::kernels::amx {

#include "kernels/gemm_u8s8/epilogue-inl.h"
#include "kernels/tiles/tiles-inl.h"
// It builds on them.
#include "kernels/gemm_u8s8/tiles-inl.h"

void gemm_u8s8_open() noexcept { simd::Amx::Tiles::open(); }
void gemm_u8s8_close() noexcept { simd::Amx::Tiles::close(); }
void gemm_u8s8_copy(const TilesCopy& c) noexcept { copy_rows<simd::Amx, simd::Avx512VnniHalf>(c); }
void gemm_u8s8_tiles_32x16(const GemmU8S8Panel& p) noexcept { any_tiles_panel<simd::Amx>(p); }

}  // namespace tersor::kernels::amx
#include "simd/end.h"
