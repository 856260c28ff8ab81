// Weighted means of neighbours along one axis of 8-bit pictures, in fixed point:
//   y[i] = clamp((2^(kWeightBits - 1) + sum_k x[first[i] + k] * weights[i][k]) >> kWeightBits, 0,
//   255)
// exact in int32 as long as sum_k 255 * |weights[i][k]| stays below 2^31 - 2^(kWeightBits - 1).
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::resample {

inline constexpr int kWeightBits = 22;

// For each output: where its inputs begin, how many there are, and `width` weights of which the
// first `count` are used.
struct Filter {
  int64_t outputs = 0, width = 0;
  const int32_t* first = nullptr;
  const int32_t* count = nullptr;
  const int32_t* weights = nullptr;
};
struct Table {
  base::Isa isa;
  // A row of n pixels of `channels` (1 or 3) interleaved bytes to one of filter.outputs pixels.
  void (*row)(const uint8_t* x, int64_t n, int channels, uint8_t* y, const Filter& filter) noexcept;
  // One row of n bytes from `count` rows, `stride` bytes apart.
  void (*rows)(const uint8_t* x, int64_t stride, int64_t count, const int32_t* weights, int64_t n,
               uint8_t* y) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::resample
