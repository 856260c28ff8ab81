#include "kernels/halves/halves.h"
#include "kernels/loops/begin_avx512.h"
namespace tersor::kernels::halves::avx512 {

#include "kernels/halves/halves-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::halves::avx512
#include "kernels/loops/end.h"
