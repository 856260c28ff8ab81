// The choice among the three builds of a family of plain loops.
#pragma once

#include "base/isa.h"

namespace tersor::kernels {

template <typename T>
const T& pick(base::IsaSet isa, const T& portable, const T& avx2, const T& avx512) noexcept {
  if (isa.has(base::Isa::avx512)) return avx512;
  if (isa.has(base::Isa::avx2)) return avx2;
  return portable;
}

}  // namespace tersor::kernels
