#include "kernels/elementwise/quantized_binary.h"

#include "kernels/loops/pick.h"

namespace tersor::kernels::elementwise {

namespace portable {
extern const ByteTable kByteTable;
}
namespace avx2 {
extern const ByteTable kByteTable;
}
namespace avx512 {
extern const ByteTable kByteTable;
}

const ByteTable& byte_table(base::IsaSet isa) noexcept {
  return pick(isa, portable::kByteTable, avx2::kByteTable, avx512::kByteTable);
}

}  // namespace tersor::kernels::elementwise
