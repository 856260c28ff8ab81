#include "kernels/elementwise/elementwise.h"
#include "kernels/loops/begin_avx512.h"
namespace tersor::kernels::elementwise::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/elementwise/elementwise-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::elementwise::avx512
#include "kernels/loops/end.h"
