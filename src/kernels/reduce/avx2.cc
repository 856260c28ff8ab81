#include "kernels/loops/begin_avx2.h"
#include "kernels/reduce/reduce.h"
namespace tersor::kernels::reduce::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/reduce/reduce-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::reduce::avx2
#include "kernels/loops/end.h"
