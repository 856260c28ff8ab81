#include "kernels/loops/begin_avx2.h"
#include "kernels/resize/resize.h"
namespace tersor::kernels::resize::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/resize/resize-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::resize::avx2
#include "kernels/loops/end.h"
