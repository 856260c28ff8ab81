#include "kernels/loops/begin_avx512.h"
#include "kernels/softmax/softmax.h"
namespace tersor::kernels::softmax::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/softmax/softmax-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::softmax::avx512
#include "kernels/loops/end.h"
