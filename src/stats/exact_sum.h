// A sum that depends on what was added only: not on the order, nor on how parts were merged.
#pragma once

#include <cmath>

namespace tersor::stats {

// Counts in units of 2^-64; what is smaller is rounded away, once for each number. A number of 2^40
// or more, or one that is not finite, makes it lost: value() is NaN from then on.
class ExactSum {
 public:
  ExactSum() = default;
  // From value() and rest() of another; both exact up to 2^42.
  ExactSum(double value, double rest) noexcept { add_limited(value, kSumLimit), add(rest); }

  void add(double v) noexcept { add_limited(v, kNumberLimit); }
  void merge(const ExactSum& other) noexcept {
    lost_ = lost_ || other.lost_ || __builtin_add_overflow(units_, other.units_, &units_);
  }
  double value() const noexcept {
    return lost_ ? std::nan("") : static_cast<double>(units_) / kUnit;
  }
  // What value() rounded away.
  double rest() const noexcept {
    return lost_ ? 0 : static_cast<double>(units_ - static_cast<Units>(value() * kUnit)) / kUnit;
  }
  bool operator==(const ExactSum& o) const noexcept {
    return lost_ == o.lost_ && (lost_ || units_ == o.units_);
  }

 private:
  __extension__ using Units = __int128;
  static constexpr double kUnit = 0x1p64, kNumberLimit = 0x1p40, kSumLimit = 0x1p62;

  void add_limited(double v, double limit) noexcept {
    lost_ = lost_ || !(std::fabs(v) < limit) ||
            __builtin_add_overflow(units_, static_cast<Units>(std::nearbyint(v * kUnit)), &units_);
  }

  Units units_ = 0;
  bool lost_ = false;
};

}  // namespace tersor::stats
