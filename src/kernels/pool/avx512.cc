#include "kernels/loops/begin_avx512.h"
#include "kernels/pool/pool.h"
namespace tersor::kernels::pool::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/pool/pool-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::pool::avx512
#include "kernels/loops/end.h"
