// Sums of quads of weights on their way into panels, in vectors of the compiler's. For this folder.
#pragma once

#include <cstdint>

namespace tersor::kernels {

// Adds the four int8 of each of four quads, one behind the other, to sums[4].
[[gnu::always_inline]] inline void add_quads(const void* quads, int32_t* sums) noexcept {
  typedef int32_t Quads __attribute__((vector_size(16), aligned(1), may_alias));
  const Quads q = *static_cast<const Quads*>(quads);
  *reinterpret_cast<Quads*>(sums) +=
      ((q << 24) >> 24) + ((q << 16) >> 24) + ((q << 8) >> 24) + (q >> 24);
}

}  // namespace tersor::kernels
