// Mean and variance of rows, in double.
#pragma once

#include <cstdint>

namespace tersor::ops::detail {

struct Moments {
  double mean, variance;
};
template <typename T>
Moments moments(const T* x, int64_t n, int64_t stride = 1) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i * stride]);
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i * stride]) - mean;
    squares += d * d;
  }
  return {mean, squares / static_cast<double>(n)};
}

}  // namespace tersor::ops::detail
