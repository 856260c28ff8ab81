#include "kernels/loops/begin_avx2.h"
#include "kernels/quantize/quantize.h"
namespace tersor::kernels::quantize::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/quantize/quantize-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::quantize::avx2
#include "kernels/loops/end.h"
