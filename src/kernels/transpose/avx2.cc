#include <utility>

#include "kernels/loops/begin_avx2.h"
#include "kernels/transpose/transpose.h"
namespace tersor::kernels::transpose::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/transpose/transpose-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::transpose::avx2
#include "kernels/loops/end.h"
