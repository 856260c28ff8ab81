// Everything from here to end.h is compiled for AVX-512 F, BW, VL, DQ, VNNI, BF16; what works on
// tiles is assembly. No include guard: it is a bracket.
#include "simd/begin_avx512bf16.h"
