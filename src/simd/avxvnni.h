// The vector language on AVX2 with FMA and AVX-VNNI: Avx2 with dot2 and dot4 of one instruction.
#pragma once

#include "simd/avx2.h"
#include "simd/begin_avxvnni.h"
namespace tersor::simd {

struct AvxVnni : Avx2 {
  [[gnu::always_inline]] static inline s32 dot4(s32 c, bytes a, bytes b) {
    return {_mm256_dpbusd_avx_epi32(c.v, a.v, b.v)};
  }
  [[gnu::always_inline]] static inline s32 dot2(s32 c, s16 a, s16 b) {
    return {_mm256_dpwssd_avx_epi32(c.v, a.v, b.v)};
  }
};

}  // namespace tersor::simd
#include "simd/end.h"
