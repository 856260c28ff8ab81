#include <type_traits>

#include "kernels/elementwise/quantized_binary.h"
#include "simd/avx512.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::elementwise::avx512 {
using Vectors = simd::Avx512;
#include "kernels/elementwise/quantized_estimate-inl.h"
}  // namespace tersor::kernels::elementwise::avx512
// One bracket ends before the other begins.
// clang-format off
#include "simd/end.h"
#include "kernels/loops/begin_avx512.h"
// clang-format on
namespace tersor::kernels::elementwise::avx512 {

#include "kernels/elementwise/quantized_binary-inl.h"
extern constexpr ByteTable kByteTable = make_byte_table(base::Isa::avx512);

}  // namespace tersor::kernels::elementwise::avx512
#include "kernels/loops/end.h"
