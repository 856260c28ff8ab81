// A histogram of finite floats whose range is not known in advance.
//
// Magnitudes are counted in kBins bins, once for values >= 0 and once for values < 0 (that half
// takes no memory until it is needed): kSteps equal bins in each of the kOctaves octaves below
// 2^exponent, and one bin, the first, for what is smaller. So a value is known to 1/256 of its
// octave, however far the largest ones are away. `exponent` is the smallest one that holds every
// value seen, 2^exponent > |x|; when a larger value comes, the lowest octaves fall into the first
// bin, which is exact. So the result depends only on which values were added: not on their order,
// on chunks, on threads, or on merging. Memory: at most 2 * kBins counters, however many values
// come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tersor::stats {

class Histogram {
 public:
  static constexpr int kSteps = 256;  // bins of an octave
  static constexpr int kOctaves = 12;
  static constexpr int kBins = 1 + kOctaves * kSteps;
  static constexpr int kMinExponent = -114;  // the lowest octave is of normal numbers
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
  // Counters of values >= 0 and < 0 by magnitude; empty if there is no such value.
  std::span<const uint64_t> positive() const noexcept { return positive_; }
  std::span<const uint64_t> negative() const noexcept { return negative_; }
  // Bin k of a half holds magnitudes in [edge(k), edge(k + 1)), k in [0, kBins].
  double edge(int k) const noexcept;
  // The bin of a magnitude; kBins or more if it is beyond the last one.
  int bin_of(float magnitude) const noexcept;

  // The value below which the share `q` in [0, 1] of all values lies; linear inside a bin. 0 if
  // empty.
  double quantile(double q) const noexcept;
  // Share of the values that lie outside [lo, hi], bins cut in proportion.
  double share_outside(double lo, double hi) const noexcept;

  // Bins in ascending order of value, without the empty ones at either end: for searches. Bin i
  // covers [edges[i], edges[i + 1]].
  struct Dense {
    std::vector<double> edges;
    std::vector<uint64_t> counts;
  };
  Dense dense() const;
  // `count` equal bins over the same, counts shared out in proportion: for reports.
  struct Even {
    double lo = 0, hi = 0;
    std::vector<uint64_t> counts;
  };
  Even even(size_t count) const;
  size_t memory_bytes() const noexcept;
  bool operator==(const Histogram&) const = default;

 private:
  friend class Tally;
  void grow(int exponent) noexcept;
  void add_few(std::span<const float> values);
  int32_t first_step() const noexcept;  // of magnitude, that bin 1 begins with

  int exponent_ = kMinExponent;
  uint64_t total_ = 0;
  std::vector<uint64_t> positive_, negative_;
};

// Counts for a histogram, in tables that are added up once: for values that come piece by piece.
class Tally {
 public:
  // `expected`: about how many values will come; few are not worth the tables.
  explicit Tally(size_t expected);
  // As Histogram::add.
  void add(std::span<const float> values, float largest);
  // All that was added; the tally begins anew.
  Histogram take();

 private:
  void add_up();

  Histogram histogram_;
  std::vector<uint32_t> tables_;  // empty: not used
  size_t counted_ = 0;            // values that are in the tables
};

}  // namespace tersor::stats
