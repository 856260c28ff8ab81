#include "kernels/gram/gram.h"
#include "simd/emu.h"

namespace tersor::kernels::gram::portable {

#include "kernels/gram/gram-inl.h"
extern constexpr Table kTable = {base::Isa::portable, products<simd::Emu<128>, 1>};

}  // namespace tersor::kernels::gram::portable
