// Like begin_portable.h, for AVX-512 F, BW, VL, DQ.
#include "simd/begin_avx512.h"
#if !defined(__clang__)
#pragma GCC target("prefer-vector-width=512")
#pragma GCC optimize("O3", "no-trapping-math", "align-functions=64", "align-loops=64")
#endif
