// Everything from here to end.h is compiled for AVX2, FMA and AVX-VNNI. No include guard: it is a
// bracket.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avxvnni")
#endif
