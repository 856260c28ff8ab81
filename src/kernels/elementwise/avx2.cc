#include "kernels/elementwise/elementwise.h"
#include "kernels/loops/begin_avx2.h"
namespace tersor::kernels::elementwise::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/elementwise/elementwise-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::elementwise::avx2
#include "kernels/loops/end.h"
