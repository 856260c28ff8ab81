#include "simd/avx512.h"

#include "kernels/quantize/quantize.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::quantize::avx512 {
using Vectors = simd::Avx512;
#include "kernels/quantize/dequantize-inl.h"
}  // namespace tersor::kernels::quantize::avx512
// One bracket ends before the other begins.
// clang-format off
#include "simd/end.h"
#include "kernels/loops/begin_avx512.h"
// clang-format on
namespace tersor::kernels::quantize::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/quantize/quantize-inl.h"
extern constexpr Table kMultiplyingTable = make_table<true>(base::Isa::avx512);
extern constexpr Table kDividingTable = make_table<false>(base::Isa::avx512);

}  // namespace tersor::kernels::quantize::avx512
#include "kernels/loops/end.h"
