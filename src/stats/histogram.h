// A histogram of finite floats whose range is not known in advance.
//
// Magnitudes are counted in kBins bins of width 2^(exponent - kBinBits), once for values >= 0 and
// once for values < 0 (that half takes no memory until it is needed). Bin k of a half holds the
// values with trunc(|x| / width) == k. `exponent` is the smallest one that holds every value seen,
// 2^exponent > |x|; when a larger value comes, neighbours are added up in pairs, which is exact. So
// the result depends only on which values were added: not on their order, on chunks, on threads, or
// on merging. Memory: at most 2 * kBins counters, however many values come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tersor::stats {

class Histogram {
 public:
  static constexpr int kBinBits = 11;
  static constexpr int kBins = 1 << kBinBits;
  static constexpr int kMinExponent = -114;  // the width stays a normal number
  static constexpr int kMaxExponent = 128;

  Histogram() = default;
  // From stored counts; each half is empty or has kBins counters. An Error otherwise.
  Histogram(int exponent, std::vector<uint64_t> positive, std::vector<uint64_t> negative);

  // Non-finite values are skipped.
  void add(std::span<const float> values);
  // The same, when the largest finite magnitude of `values` (or more) is known.
  void add(std::span<const float> values, float largest);
  void merge(const Histogram& other);

  uint64_t total() const noexcept { return total_; }
  int exponent() const noexcept { return exponent_; }
  double width() const noexcept;  // of one bin
  // Counters of values >= 0 and < 0 by magnitude; empty if there is no such value.
  std::span<const uint64_t> positive() const noexcept { return positive_; }
  std::span<const uint64_t> negative() const noexcept { return negative_; }

  // The value below which the share `q` in [0, 1] of all values lies; linear inside a bin. 0 if
  // empty.
  double quantile(double q) const noexcept;
  // Share of the values that lie outside [lo, hi], bins cut in proportion.
  double share_outside(double lo, double hi) const noexcept;

  // Bins in ascending order of value, without the empty ones at either end: for reports and
  // searches.
  struct Dense {
    double lo = 0, width = 0;  // bin i covers [lo + i * width, lo + (i + 1) * width]
    std::vector<uint64_t> counts;
  };
  Dense dense() const;
  size_t memory_bytes() const noexcept;
  bool operator==(const Histogram&) const = default;

 private:
  void grow(int exponent) noexcept;

  int exponent_ = kMinExponent;
  uint64_t total_ = 0;
  std::vector<uint64_t> positive_, negative_;
};

}  // namespace tersor::stats
