// The vector language on AVX2 with FMA and AVX-VNNI: Avx2 with a dot4 of one instruction.
#pragma once

#include "simd/avx2.h"
#include "simd/begin_avxvnni.h"
namespace tersor::simd {

struct AvxVnni : Avx2 {
  [[gnu::always_inline]] static inline s32 dot4(s32 c, bytes a, bytes b) {
    return {_mm256_dpbusd_avx_epi32(c.v, a.v, b.v)};
  }
};

}  // namespace tersor::simd
#include "simd/end.h"
