// Second moments of rows of small integers: what the error of a layer with rounded weights depends
// on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stats/triangle.h"

namespace tersor::stats {

// Rows to be added, as kernels/gram/gram.h lays them out. Elements that nobody sets are 0.
class GramRows {
 public:
  // All zero.
  void reset(size_t rows, size_t columns);
  // |value| <= 255.
  void set(size_t row, size_t column, int value) {
    values_[((column / kWidth * pairs_ + row / 2) * kWidth + column % kWidth) * 2 + row % 2] =
        static_cast<int16_t>(value);
  }

 private:
  friend class Gram;
  static constexpr size_t kWidth = 32;
  const int16_t* panel(int64_t index) const {
    return values_.data() + static_cast<size_t>(index) * pairs_ * kWidth * 2;
  }
  std::vector<int16_t> values_;
  size_t pairs_ = 0;
};

// sum over rows x of x[i] * x[j], exact: the order of rows does not matter, and what several
// machines saw adds up. Overflows beyond 2^47 rows.
class Gram : public Triangle<int64_t, 32> {
 public:
  explicit Gram(int64_t columns = 0) : Triangle(columns) {}

  void add_tile(const GramRows& rows, int64_t tile);
  void add(const GramRows& rows);
  // Both have the same number of columns.
  void merge(const Gram& other);
  bool operator==(const Gram&) const = default;

  // Bytes that a matrix of so many columns takes.
  static uint64_t bytes(int64_t columns);
};

}  // namespace tersor::stats
