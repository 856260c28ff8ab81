// How far a stream of numbers is from its reference. Sums in double; merging two parts gives the
// whole up to rounding.
#pragma once

#include <cstdint>
#include <span>

namespace tersor::stats {

class Difference {
 public:
  // Pairs; the spans are equally long (the shorter one counts). A pair with a non-finite member is
  // counted and left out, unless both members are the same infinity or both NaN: that pair only
  // counts as agreeing.
  void add(std::span<const float> reference, std::span<const float> other) noexcept;
  void merge(const Difference& o) noexcept;

  uint64_t count() const noexcept { return count_; }  // all pairs
  // Pairs where only the other, or the reference, is not finite.
  uint64_t other_non_finite() const noexcept { return other_bad_; }
  uint64_t reference_non_finite() const noexcept { return reference_bad_; }
  // 10 log10(sum r^2 / sum (r - o)^2). +inf if there is no difference, -inf if the reference is all
  // zero.
  double sqnr_db() const noexcept;
  // 1 if both are all zero, 0 if one is.
  double cosine() const noexcept;
  double max_abs() const noexcept { return max_abs_; }              // max |r - o|
  double max_reference() const noexcept { return max_reference_; }  // max |r|
  double mse() const noexcept;

 private:
  uint64_t count_ = 0, used_ = 0, other_bad_ = 0, reference_bad_ = 0;
  double rr_ = 0, oo_ = 0, ro_ = 0, ee_ = 0;
  double max_abs_ = 0, max_reference_ = 0;
};

double sqnr_db(std::span<const float> reference, std::span<const float> other) noexcept;
double cosine(std::span<const float> reference, std::span<const float> other) noexcept;
double max_abs(std::span<const float> reference, std::span<const float> other) noexcept;

}  // namespace tersor::stats
