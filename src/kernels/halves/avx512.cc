#include "simd/avx512.h"

#include "kernels/halves/halves.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::halves::avx512 {

#include "kernels/halves/halves-inl.h"
extern constexpr Table kTable = Loops<simd::Avx512>::table(base::Isa::avx512);

}  // namespace tersor::kernels::halves::avx512
#include "simd/end.h"
