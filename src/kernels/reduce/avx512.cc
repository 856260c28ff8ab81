#include "kernels/loops/begin_avx512.h"
#include "kernels/reduce/reduce.h"
namespace tersor::kernels::reduce::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/reduce/reduce-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::reduce::avx512
#include "kernels/loops/end.h"
