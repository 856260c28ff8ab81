#include "simd/avx512.h"

#include "kernels/gram/gram.h"
#include "simd/begin_avx512.h"
namespace tersor::kernels::gram::avx512 {

#include "kernels/gram/gram-inl.h"
extern constexpr Table kTable = {base::Isa::avx512, products<simd::Avx512, 8>};

}  // namespace tersor::kernels::gram::avx512
#include "simd/end.h"
