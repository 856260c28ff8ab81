// Like begin_portable.h, for AVX2. A short loop takes up to twice as long where it lies across
// lines of the cache: what is linked before it must not decide that.
#include "simd/begin_avx2.h"
#if !defined(__clang__)
#pragma GCC optimize("O3", "no-trapping-math", "align-functions=64", "align-loops=64")
#endif
