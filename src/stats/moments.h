// Second moments of rows of floats, where no codes are at hand (stats/gram.h is exact).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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
class Moments {
 public:
  explicit Moments(int64_t columns = 0);

  int64_t columns() const noexcept { return columns_; }
  double at(int64_t i, int64_t j) const {
    return i >= j ? sums_[static_cast<size_t>(i * (i + 1) / 2 + j)] : at(j, i);
  }
  // The sums fall into tiles that several threads may add to, each to its own.
  int64_t tiles() const noexcept { return panels_ * (panels_ + 1) / 2; }
  void add_tile(const MomentRows& rows, int64_t tile);

 private:
  int64_t columns_ = 0, panels_ = 0;
  std::vector<double> sums_;  // the lower triangle, row by row
};

}  // namespace tersor::stats
