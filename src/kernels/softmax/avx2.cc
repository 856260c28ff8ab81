#include "kernels/loops/begin_avx2.h"
#include "kernels/softmax/softmax.h"
namespace tersor::kernels::softmax::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/softmax/softmax-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::softmax::avx2
#include "kernels/loops/end.h"
