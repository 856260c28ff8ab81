#include "kernels/elementwise/quantized_binary.h"
#include "kernels/loops/begin_avx512.h"
namespace tersor::kernels::elementwise::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/elementwise/quantized_binary-inl.h"
extern constexpr ByteTable kByteTable = make_byte_table(base::Isa::avx512);

}  // namespace tersor::kernels::elementwise::avx512
#include "kernels/loops/end.h"
