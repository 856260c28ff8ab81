#include "simd/avx2.h"

#include "kernels/gram/gram.h"
#include "simd/begin_avx2.h"
namespace tersor::kernels::gram::avx2 {

#include "kernels/gram/gram-inl.h"
extern constexpr Table kTable = {base::Isa::avx2, products<simd::Avx2, 2>};

}  // namespace tersor::kernels::gram::avx2
#include "simd/end.h"
