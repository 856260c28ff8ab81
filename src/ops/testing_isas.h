// For tests of this room and those above it: what of the instruction sets can be tried here.
#pragma once

#include <vector>

#include "base/isa.h"

namespace tersor::ops::testing {

inline std::vector<base::Isa> machine_isas() {
  std::vector<base::Isa> found;
  const base::IsaSet all = base::detect_isa();
  for (base::Isa isa : base::kIsas)
    if (all.has(isa)) found.push_back(isa);
  return found;
}

}  // namespace tersor::ops::testing
