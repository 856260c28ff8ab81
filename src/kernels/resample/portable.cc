#include "kernels/loops/begin_portable.h"
#include "kernels/resample/resample.h"
namespace tersor::kernels::resample::portable {

#include "kernels/resample/resample-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::resample::portable
#include "kernels/loops/end.h"
