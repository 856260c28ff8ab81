#include "kernels/layernorm/layernorm.h"
#include "kernels/loops/begin_avx512.h"
namespace tersor::kernels::layernorm::avx512 {

constexpr int kVectorBytes = 64;
#include "kernels/layernorm/layernorm-inl.h"
extern constexpr Table kTable = make_table(base::Isa::avx512);

}  // namespace tersor::kernels::layernorm::avx512
#include "kernels/loops/end.h"
