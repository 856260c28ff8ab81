#include "kernels/loops/begin_avx512.h"
#include "kernels/lut/lut.h"
namespace tersor::kernels::lut::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/lut/lut-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::lut::avx512
#include "kernels/loops/end.h"
