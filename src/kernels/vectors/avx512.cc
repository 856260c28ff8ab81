#include "kernels/loops/begin_avx512.h"
#include "kernels/vectors/vectors.h"
namespace tersor::kernels::vectors::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/vectors/vectors-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::vectors::avx512
#include "kernels/loops/end.h"
