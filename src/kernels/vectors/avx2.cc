#include "kernels/loops/begin_avx2.h"
#include "kernels/vectors/vectors.h"
namespace tersor::kernels::vectors::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/vectors/vectors-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::vectors::avx2
#include "kernels/loops/end.h"
