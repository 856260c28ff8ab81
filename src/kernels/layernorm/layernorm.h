// Normalization of rows x[rows][n] of f32. y may be x.
//   layernorm  y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, variance around the mean
//   rmsnorm    y = x / sqrt(mean of squares + epsilon) * gamma
// gamma and beta are [n] or null. Sums run in f32 over at least 16 interleaved partial sums.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::layernorm {

struct Call {
  const float* x = nullptr;
  float* y = nullptr;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float* mean = nullptr;     // [rows] or null
  float* inverse = nullptr;  // [rows] 1 / sqrt(... + epsilon), or null
  float epsilon = 1e-5f;
};
struct Table {
  base::Isa isa;
  void (*layernorm)(const Call& call, int64_t rows, int64_t n) noexcept;
  void (*rmsnorm)(const Call& call, int64_t rows, int64_t n) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::layernorm
