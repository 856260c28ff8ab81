#include "kernels/layernorm/layernorm.h"
#include "kernels/loops/begin_avx2.h"
namespace tersor::kernels::layernorm::avx2 {

constexpr int kVectorBytes = 32;
#include "kernels/layernorm/layernorm-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx2);

}  // namespace tersor::kernels::layernorm::avx2
#include "kernels/loops/end.h"
