#include <utility>

#include "kernels/loops/begin_avx512.h"
#include "kernels/transpose/transpose.h"
namespace tersor::kernels::transpose::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/transpose/transpose-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::transpose::avx512
#include "kernels/loops/end.h"
