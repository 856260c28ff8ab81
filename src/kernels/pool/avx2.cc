#include "kernels/loops/begin_avx2.h"
#include "kernels/pool/pool.h"
namespace tersor::kernels::pool::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/pool/pool-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::pool::avx2
#include "kernels/loops/end.h"
