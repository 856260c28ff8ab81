#include "kernels/histogram/histogram.h"
#include "kernels/loops/begin_portable.h"
namespace tersor::kernels::histogram::portable {

constexpr int kVectorBytes = 16;
#include "kernels/histogram/histogram-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::histogram::portable
#include "kernels/loops/end.h"
