#include "simd/avx2.h"

#include "kernels/halves/halves.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::halves::avx2 {

#include "kernels/halves/halves-inl.h"
extern constexpr Table kTable = Loops<simd::Avx2>::table(base::Isa::avx2);

}  // namespace tersor::kernels::halves::avx2
#include "simd/end.h"
