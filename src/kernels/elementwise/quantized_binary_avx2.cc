#include "kernels/elementwise/quantized_binary.h"
#include "kernels/loops/begin_avx2.h"
namespace tersor::kernels::elementwise::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/elementwise/quantized_binary-inl.h"
extern constexpr ByteTable kByteTable = make_byte_table(base::Isa::avx2);

}  // namespace tersor::kernels::elementwise::avx2
#include "kernels/loops/end.h"
