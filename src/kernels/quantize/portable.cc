#include "kernels/loops/begin_portable.h"
#include "kernels/quantize/quantize.h"
namespace tersor::kernels::quantize::portable {

// Plain loops only.
struct Vectors {};
template <typename S, typename T>
constexpr int64_t dequantize_vectors(const T*, float*, int64_t, float, int32_t) noexcept {
  return 0;
}

constexpr int kVectorBytes = 16;
#include "kernels/quantize/quantize-inl.h"
extern constexpr Table kTable = make_table<false>(base::Isa::portable);

}  // namespace tersor::kernels::quantize::portable
#include "kernels/loops/end.h"
