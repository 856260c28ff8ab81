#include "kernels/loops/begin_avx2.h"
#include "kernels/lut/lut.h"
namespace tersor::kernels::lut::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/lut/lut-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::lut::avx2
#include "kernels/loops/end.h"
