#include "kernels/vectors/vectors.h"

#include "kernels/loops/pick.h"

namespace tersor::kernels::vectors {

namespace portable {
extern const Table kTable;
}
namespace avx2 {
extern const Table kTable;
}
namespace avx512 {
extern const Table kTable;
}

const Table& table(base::IsaSet isa) noexcept {
  return pick(isa, portable::kTable, avx2::kTable, avx512::kTable);
}

}  // namespace tersor::kernels::vectors
