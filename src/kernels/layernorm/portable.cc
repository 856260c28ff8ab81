#include "kernels/layernorm/layernorm.h"
#include "kernels/loops/begin_portable.h"
namespace tersor::kernels::layernorm::portable {

constexpr int kVectorBytes = 16;
#include "kernels/layernorm/layernorm-inl.h"
extern constexpr Table kTable = make_table(base::Isa::portable);

}  // namespace tersor::kernels::layernorm::portable
#include "kernels/loops/end.h"
