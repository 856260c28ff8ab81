// The vector language on AVX-512 with BF16: Avx512 with dot2 of bfloat16, whose instruction takes
// no heed of the rounding mode and reads and writes numbers below 2^-126 as 0.
#pragma once

#include "simd/avx512.h"
#include "simd/begin_avx512bf16.h"
namespace tersor::simd {

struct Avx512Bf16 : Avx512 {
  [[gnu::always_inline]] static inline s16 load_single(const int16_t* p) {
    return {_mm512_set1_epi32(static_cast<uint16_t>(*p))};
  }
  [[gnu::always_inline]] static inline f32 dot2(f32 c, s16 a, s16 b) {
    return _mm512_dpbf16_ps(c, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v));
  }
};

}  // namespace tersor::simd
#include "simd/end.h"
