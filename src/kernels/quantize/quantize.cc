#include "kernels/quantize/quantize.h"

#include "kernels/loops/pick.h"

namespace tersor::kernels::quantize {

namespace portable {
extern const Table kTable;
}
namespace avx2 {
extern const Table kTable;
}
namespace avx512 {
extern const Table kMultiplyingTable, kDividingTable;
}

const Table& table_with(base::IsaSet isa, bool divides) noexcept {
  return pick(isa, portable::kTable, avx2::kTable,
              divides ? avx512::kDividingTable : avx512::kMultiplyingTable);
}
const Table& table(base::IsaSet isa) noexcept { return table_with(isa, base::divides_quickly()); }

}  // namespace tersor::kernels::quantize
