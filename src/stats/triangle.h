// A symmetric matrix of sums, of which tiles are added to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tersor::stats {

// [columns][columns], the lower triangle only, in tiles of kWidth x kWidth.
template <typename T, int64_t kWidth>
class Triangle {
 public:
  explicit Triangle(int64_t columns)
      : columns_(columns),
        panels_(panels_of(columns)),
        sums_(static_cast<size_t>(columns * (columns + 1) / 2), T{}) {}

  int64_t columns() const noexcept { return columns_; }
  T at(int64_t i, int64_t j) const {
    return i >= j ? sums_[static_cast<size_t>(i * (i + 1) / 2 + j)] : at(j, i);
  }
  // The sums fall into tiles that several threads may add to, each to its own.
  int64_t tiles() const noexcept { return panels_ * (panels_ + 1) / 2; }
  bool operator==(const Triangle&) const = default;

 protected:
  static int64_t panels_of(int64_t columns) noexcept { return (columns + kWidth - 1) / kWidth; }
  // The panels whose products a tile has, the later one first.
  static std::pair<int64_t, int64_t> panels_of_tile(int64_t tile) noexcept {
    int64_t row = 0;
    while ((row + 1) * (row + 2) / 2 <= tile) ++row;
    return {row, tile - row * (row + 1) / 2};
  }
  T* line(int64_t i) noexcept { return sums_.data() + i * (i + 1) / 2; }

  int64_t columns_, panels_;
  std::vector<T> sums_;  // row by row
};

}  // namespace tersor::stats
