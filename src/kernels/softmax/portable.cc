#include "kernels/loops/begin_portable.h"
#include "kernels/softmax/softmax.h"
namespace tersor::kernels::softmax::portable {

constexpr int kVectorBytes = 16;
#include "kernels/softmax/softmax-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::softmax::portable
#include "kernels/loops/end.h"
