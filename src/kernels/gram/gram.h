// Products of every two columns of a matrix of small integers, in integers: what the second moments
// of 8-bit codes are made of.
//
//   out[i][j] = sum over r of a[r][i] * b[r][j],   0 <= i, j < kWidth
//
// Two rows lie interleaved, kWidth columns to a panel:
//
//   row 0, column 0 | row 1, column 0 | row 0, column 1 | row 1, column 1 | ...   pair 0
//   row 2, column 0 | row 3, column 0 | ...                                       pair 1
//
// With |a|, |b| <= 255 a sum of kMostPairs pairs is at most 2 * 255^2 * kMostPairs < 2^31.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::gram {

inline constexpr int64_t kWidth = 32;
inline constexpr int64_t kMostPairs = 16384;

struct Table {
  base::Isa isa;
  // a, b: panels of `pairs` <= kMostPairs pairs of rows; out: [kWidth][kWidth].
  void (*products)(const int16_t* a, const int16_t* b, int64_t pairs, int32_t* out) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::gram
