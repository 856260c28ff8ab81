#include <utility>

#include "kernels/loops/begin_portable.h"
#include "kernels/transpose/transpose.h"
namespace tersor::kernels::transpose::portable {

constexpr int kVectorBytes = 16;
#include "kernels/transpose/transpose-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::transpose::portable
#include "kernels/loops/end.h"
