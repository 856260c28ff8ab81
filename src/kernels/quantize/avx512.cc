#include "kernels/loops/begin_avx512.h"
#include "kernels/quantize/quantize.h"
namespace tersor::kernels::quantize::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/quantize/quantize-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::quantize::avx512
#include "kernels/loops/end.h"
