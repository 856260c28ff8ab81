#include "kernels/loops/begin_portable.h"
#include "kernels/reduce/reduce.h"
namespace tersor::kernels::reduce::portable {

constexpr int kVectorBytes = 16;
#include "kernels/reduce/reduce-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::reduce::portable
#include "kernels/loops/end.h"
