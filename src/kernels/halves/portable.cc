#include "kernels/halves/halves.h"
#include "simd/emu.h"
namespace tersor::kernels::halves::portable {

#include "kernels/halves/halves-inl.h"
extern constexpr Table kTable = Loops<simd::Emu<128>>::table(base::Isa::portable);

}  // namespace tersor::kernels::halves::portable
