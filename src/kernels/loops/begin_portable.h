// Everything from here to end.h is compiled as loops for the compiler to vectorize, for any x86-64.
// No include guard: it is a bracket. Include standard headers before it.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("sse2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("O3", "no-trapping-math")
#endif
