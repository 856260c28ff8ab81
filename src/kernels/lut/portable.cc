#include "kernels/loops/begin_portable.h"
#include "kernels/lut/lut.h"
namespace tersor::kernels::lut::portable {

#include "kernels/lut/lut-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable, one_by_one);

}  // namespace tersor::kernels::lut::portable
#include "kernels/loops/end.h"
