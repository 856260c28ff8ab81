#include "kernels/loops/begin_avx512.h"
#include "kernels/resample/resample.h"
namespace tersor::kernels::resample::avx512 {

#include "kernels/resample/resample-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::resample::avx512
#include "kernels/loops/end.h"
