// Like begin_portable.h, for AVX2.
#include "simd/begin_avx2.h"
#if !defined(__clang__)
#pragma GCC optimize("O3", "no-trapping-math")
#endif
