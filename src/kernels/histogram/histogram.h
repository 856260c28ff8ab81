// One look at many floats: their extremes, and how many fall into each step of magnitude.
//
// A step is a value of the bits of |x| without the low kShift ones: kSteps equal parts of every
// octave. Counted by sign:
//   bin(x) = max((bits(|x|) >> kShift) - first + 1, 0)      of [0, bins)
// for x >= 0 (and -0) at counts[bin], for x < 0 at counts[bins + bin]; what lies beyond, infinity
// and NaN at counts[2 * bins]. `counts` are kTables tables of 2 * bins + 1, that add up to the
// result: equal neighbours, zeros above all, do not wait for each other's counter.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::histogram {

inline constexpr int kShift = 15;
inline constexpr int kSteps = 1 << (23 - kShift);  // of an octave
inline constexpr int kTables = 4;
inline constexpr int kRows = 32;

struct Bins {
  int32_t first = 0;
  int32_t bins = 0;
  uint32_t* counts = nullptr;
};
// Of n >= 1 values. If one is not finite, `finite` says so and min and max mean nothing.
struct Extent {
  float min = 0, max = 0;
  bool finite = true;
};
struct Table {
  base::Isa isa;
  Extent (*extent)(const float* x, int64_t n) noexcept;
  // The same of x[rows][columns], rows and columns >= 1, on the way sums[c] += x[r][c]: each
  // kRows of them in float, those in double. Sums that overflow count as not finite.
  Extent (*columns)(const float* x, int64_t rows, int64_t columns, double* sums) noexcept;
  // n < 2^32: counters do not overflow when they start at 0.
  void (*count)(const float* x, int64_t n, const Bins& bins) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::histogram
