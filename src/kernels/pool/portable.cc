#include "kernels/loops/begin_portable.h"
#include "kernels/pool/pool.h"
namespace tersor::kernels::pool::portable {

constexpr int kVectorBytes = 16;
#include "kernels/pool/pool-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::pool::portable
#include "kernels/loops/end.h"
