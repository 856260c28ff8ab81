#include "kernels/loops/begin_portable.h"
#include "kernels/resize/resize.h"
namespace tersor::kernels::resize::portable {

constexpr int kVectorBytes = 16;
#include "kernels/resize/resize-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::resize::portable
#include "kernels/loops/end.h"
