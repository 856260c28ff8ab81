// A sum that depends on what was added only: not on the order, nor on how parts were merged.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

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
    lost_ =
        lost_ || !(std::fabs(v) < limit) || __builtin_add_overflow(units_, units_of(v), &units_);
  }
  // v * 2^64 rounded half to even, for |v| < 2^62.
  static Units units_of(double v) noexcept {
    constexpr int kFraction = 52, kBias = 1023, kUnitBits = 64;
    const auto bits = std::bit_cast<uint64_t>(v);
    const int exponent = static_cast<int>(bits >> kFraction & 0x7ff);
    // |v| = whole * 2^(exponent - kBias - kFraction); what is subnormal rounds to 0 anyway.
    uint64_t whole = (bits & ((uint64_t{1} << kFraction) - 1)) | uint64_t{1} << kFraction;
    const int shift = exponent - kBias - kFraction + kUnitBits;
    Units units = 0;
    if (shift >= 0) {
      units = static_cast<Units>(whole) << shift;
    } else if (shift >= -kFraction - 1) {
      const uint64_t rest = whole & ((uint64_t{1} << -shift) - 1),
                     half = uint64_t{1} << (-shift - 1);
      whole >>= -shift;
      units = static_cast<Units>(whole + (rest > half || (rest == half && (whole & 1) != 0)));
    }
    return bits >> 63 ? -units : units;
  }

  Units units_ = 0;
  bool lost_ = false;
};

}  // namespace tersor::stats
