#include "kernels/histogram/histogram.h"
#include "kernels/loops/begin_avx2.h"
namespace tersor::kernels::histogram::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/histogram/histogram-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::histogram::avx2
#include "kernels/loops/end.h"
