#include "kernels/halves/halves.h"
#include "kernels/loops/begin_portable.h"
namespace tersor::kernels::halves::portable {

#include "kernels/halves/halves-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::halves::portable
#include "kernels/loops/end.h"
