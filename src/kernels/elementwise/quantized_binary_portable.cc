#include <type_traits>

#include "kernels/elementwise/quantized_binary.h"
#include "simd/emu.h"
namespace tersor::kernels::elementwise::portable {
using Vectors = simd::Emu<128>;
#include "kernels/elementwise/quantized_estimate-inl.h"
}  // namespace tersor::kernels::elementwise::portable

#include "kernels/loops/begin_portable.h"
namespace tersor::kernels::elementwise::portable {

#include "kernels/elementwise/quantized_binary-inl.h"
extern constexpr ByteTable kByteTable = make_byte_table(base::Isa::portable);

}  // namespace tersor::kernels::elementwise::portable
#include "kernels/loops/end.h"
