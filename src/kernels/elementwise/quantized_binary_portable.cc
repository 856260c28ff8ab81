#include "kernels/elementwise/quantized_binary.h"
#include "kernels/loops/begin_portable.h"
namespace tersor::kernels::elementwise::portable {

constexpr int kVectorBytes = 16;
#include "kernels/elementwise/quantized_binary-inl.h"
extern constexpr ByteTable kByteTable = make_byte_table(base::Isa::portable);

}  // namespace tersor::kernels::elementwise::portable
#include "kernels/loops/end.h"
