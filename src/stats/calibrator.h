// From the statistics of a tensor to the range that its integers shall cover.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "stats/statistics.h"

namespace tersor::stats {

struct Range {
  float lo = 0, hi = 0;  // lo <= 0 <= hi, both finite
  bool operator==(const Range&) const = default;
};

struct Calibrator {
  enum class Kind : uint8_t { kMinMax, kPercentile, kMse };
  Kind kind = Kind::kMse;
  double percentile =
      99.99;  // share of values kept, in percent; what is cut is cut half from either end
};

// "mse", "minmax", "percentile" (99.99), "percentile:99.9" (over 50, up to 100). E50 otherwise.
//   mse  the range whose 256 levels have the least mean squared error over the histogram
Calibrator parse_calibrator(std::string_view text);
std::string to_string(const Calibrator& calibrator);

// Contains zero. [0, 0] if there is no finite value.
Range choose_range(const TensorStats& stats, const Calibrator& calibrator);

}  // namespace tersor::stats
