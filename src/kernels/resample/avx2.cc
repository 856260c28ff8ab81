#include "kernels/loops/begin_avx2.h"
#include "kernels/resample/resample.h"
namespace tersor::kernels::resample::avx2 {

#include "kernels/resample/resample-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::resample::avx2
#include "kernels/loops/end.h"
