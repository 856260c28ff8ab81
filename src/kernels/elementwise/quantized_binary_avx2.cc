#include <type_traits>

#include "kernels/elementwise/quantized_binary.h"
#include "simd/avx2.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::elementwise::avx2 {
using Vectors = simd::Avx2;
#include "kernels/elementwise/quantized_estimate-inl.h"
}  // namespace tersor::kernels::elementwise::avx2
// One bracket ends before the other begins.
// clang-format off
#include "simd/end.h"
#include "kernels/loops/begin_avx2.h"
// clang-format on
namespace tersor::kernels::elementwise::avx2 {

#include "kernels/elementwise/quantized_binary-inl.h"
extern constexpr ByteTable kByteTable = make_byte_table(base::Isa::avx2);

}  // namespace tersor::kernels::elementwise::avx2
#include "kernels/loops/end.h"
