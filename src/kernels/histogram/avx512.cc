#include "kernels/histogram/histogram.h"
#include "kernels/loops/begin_avx512.h"
namespace tersor::kernels::histogram::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/histogram/histogram-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::histogram::avx512
#include "kernels/loops/end.h"
