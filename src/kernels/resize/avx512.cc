#include "kernels/loops/begin_avx512.h"
#include "kernels/resize/resize.h"
namespace tersor::kernels::resize::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/resize/resize-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::resize::avx512
#include "kernels/loops/end.h"
