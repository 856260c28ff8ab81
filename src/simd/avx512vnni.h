// The vector language on AVX-512 with VNNI: Avx512 with dot2 and dot4 of one instruction.
#pragma once

#include "simd/avx2.h"
#include "simd/avx512.h"
#include "simd/begin_avx512vnni.h"
namespace tersor::simd {

struct Avx512Vnni : Avx512 {
  [[gnu::always_inline]] static inline s32 dot4(s32 c, bytes a, bytes b) {
    return {_mm512_dpbusd_epi32(c.v, a.v, b.v)};
  }
  [[gnu::always_inline]] static inline s32 dot2(s32 c, s16 a, s16 b) {
    return {_mm512_dpwssd_epi32(c.v, a.v, b.v)};
  }
};

// Vectors of half the length, for few channels.
struct Avx512VnniHalf : Avx2 {
  [[gnu::always_inline]] static inline s32 dot4(s32 c, bytes a, bytes b) {
    return {_mm256_dpbusd_epi32(c.v, a.v, b.v)};
  }
  [[gnu::always_inline]] static inline s32 dot2(s32 c, s16 a, s16 b) {
    return {_mm256_dpwssd_epi32(c.v, a.v, b.v)};
  }
};

}  // namespace tersor::simd
#include "simd/end.h"
