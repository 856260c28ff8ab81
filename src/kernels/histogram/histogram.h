// Counting floats in equal bins: bin(v) = trunc((v - low) * scale) with v = x or |x| and
// scale = bins / (high - low), all in f32. Counted are the finite values whose bin lies in [0,
// bins), and v == high in the last bin; how many were not is returned. Counters are added to.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::histogram {

struct Bins {
  float low = 0, high = 1;
  int64_t bins = 0;  // at most 2^23
  uint64_t* counts = nullptr;
};
struct Table {
  base::Isa isa;
  int64_t (*values)(const float* x, int64_t n, const Bins& bins) noexcept;
  int64_t (*magnitudes)(const float* x, int64_t n, const Bins& bins) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::histogram
