#include "kernels/loops/begin_avx512.h"
#include "kernels/halves/halves.h"
namespace tersor::kernels::halves::avx512 {

#include "kernels/halves/halves-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::halves::avx512
#include "kernels/loops/end.h"
