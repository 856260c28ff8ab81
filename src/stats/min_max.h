// The smallest and largest finite value of a stream, and how many values were not finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace tersor::stats {

struct MinMax {
  float min =
      std::numeric_limits<float>::infinity();  // of the finite values; +inf while there is none
  float max = -std::numeric_limits<float>::infinity();  // likewise -inf
  uint64_t count = 0;                                   // all values, non-finite ones included
  uint64_t nan = 0;
  uint64_t inf = 0;  // of either sign

  void add(std::span<const float> values);
  // values[rows][sums.size()], the same; on the way each one is added to its column's sum: 32 rows
  // in float, those in double.
  void add(std::span<const float> values, std::span<double> sums);
  void merge(const MinMax& other) noexcept;
  bool empty() const noexcept { return min > max; }
  uint64_t finite() const noexcept { return count - nan - inf; }
  bool operator==(const MinMax&) const = default;

 private:
  void count_one_by_one(std::span<const float> values);
};

// Where the first NaN or infinity stands.
std::optional<size_t> first_non_finite(std::span<const float> values);

}  // namespace tersor::stats
