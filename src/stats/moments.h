// Second moments of rows of floats, where no codes are at hand (stats/gram.h is exact).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stats/triangle.h"

namespace tersor::stats {

// Rows to be added. Elements that nobody sets are 0.
class MomentRows {
 public:
  // All zero.
  void reset(size_t rows, size_t columns);
  void set(size_t row, size_t column, float value) { values_[row * stride_ + column] = value; }

 private:
  friend class Moments;
  std::vector<float> values_;
  size_t rows_ = 0, stride_ = 0;
};

// sum over rows x of x[i] * x[j]: floats within what add_tile() is given, those sums in double. The
// same for the same rows in the same parts, on every machine.
class Moments : public Triangle<double, 32> {
 public:
  explicit Moments(int64_t columns = 0) : Triangle(columns) {}

  void add_tile(const MomentRows& rows, int64_t tile);
};

}  // namespace tersor::stats
