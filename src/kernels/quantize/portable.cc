#include "kernels/loops/begin_portable.h"
#include "kernels/quantize/quantize.h"
namespace tersor::kernels::quantize::portable {

constexpr int kVectorBytes = 16;
#include "kernels/quantize/quantize-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::quantize::portable
#include "kernels/loops/end.h"
