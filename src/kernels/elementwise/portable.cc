#include "kernels/elementwise/elementwise.h"
#include "kernels/loops/begin_portable.h"
namespace tersor::kernels::elementwise::portable {

constexpr int kVectorBytes = 16;
#include "kernels/elementwise/elementwise-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::elementwise::portable
#include "kernels/loops/end.h"
