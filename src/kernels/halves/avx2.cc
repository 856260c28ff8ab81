#include "kernels/halves/halves.h"
#include "kernels/loops/begin_avx2.h"
namespace tersor::kernels::halves::avx2 {

#include "kernels/halves/halves-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::halves::avx2
#include "kernels/loops/end.h"
