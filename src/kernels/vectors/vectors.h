// Sums over two vectors of floats, in an order that no instruction set changes: the same bits on
// every machine.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::vectors {

constexpr int64_t kOuterRows = 4, kOuterColumns = 32;

struct Table {
  base::Isa isa;
  // sum of x[i] * y[i]: in 64 interleaved lanes, which are added up as a tree.
  float (*dot)(const float* x, const float* y, int64_t n) noexcept;
  // y[i] -= a * x[i].
  void (*subtract)(float a, const float* x, float* y, int64_t n) noexcept;
  // sums[i * kOuterColumns + j] = sum over rows r of x[r * stride + i] * y[r * stride + j], row
  // after row, for i < kOuterRows and j < kOuterColumns.
  void (*outer)(const float* x, const float* y, int64_t rows, int64_t stride, float* sums) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::vectors
