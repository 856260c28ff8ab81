#include "kernels/loops/begin_portable.h"
#include "kernels/vectors/vectors.h"
namespace tersor::kernels::vectors::portable {

constexpr int kVectorBytes = 16;
#include "kernels/vectors/vectors-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::vectors::portable
#include "kernels/loops/end.h"
