#include "simd/avx2.h"

#include "kernels/quantize/quantize.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::quantize::avx2 {
using Vectors = simd::Avx2;
#include "kernels/quantize/dequantize-inl.h"
}  // namespace tersor::kernels::quantize::avx2
// One bracket ends before the other begins.
// clang-format off
#include "simd/end.h"
#include "kernels/loops/begin_avx2.h"
// clang-format on
namespace tersor::kernels::quantize::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/quantize/quantize-inl.h"
// Divisions of 256 bits are short.
extern constexpr Table kTable = make_table<false>(base::Isa::avx2);

}  // namespace tersor::kernels::quantize::avx2
#include "kernels/loops/end.h"
