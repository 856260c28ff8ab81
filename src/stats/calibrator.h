// From the statistics of a tensor to the range that its integers shall cover.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "stats/statistics.h"

namespace tersor::stats {

struct Range {
  float lo = 0, hi = 0;  // lo <= 0 <= hi, both finite
  bool operator==(const Range&) const = default;
};

// The 256 levels that a range is spread over.
enum class Levels : uint8_t {
  kAsymmetric,  // 0..255, from lo to hi, zero among them
  kSymmetric,   // -128..127 around zero, hi at 127
};

// A way to choose a range: one file in calibrators/, one row in calibrator.cc.
struct CalibrationMethod {
  const char* name;  // as given to --calib
  const char* summary;
  // Of its parameter, as in "percentile:99.99": what it is without, and its limits.
  struct Parameter {
    double standard, above, up_to;
    const char* help;
  };
  std::optional<Parameter> parameter;
  // `seen` holds finite values. With kSymmetric only the farther end counts.
  struct Ends {
    double lo, hi;
  };
  Ends (*choose)(const TensorStats& seen, double parameter, Levels levels);
  bool needs_histogram = true;
};
extern const CalibrationMethod kMinMax, kMovingAverage, kPercentile, kEntropy, kMse;
std::span<const CalibrationMethod* const> calibration_methods();

struct Calibrator {
  const CalibrationMethod* method = &kMse;
  double parameter = 0;
  bool operator==(const Calibrator&) const = default;
};

// "mse", "percentile" (99.99), "percentile:99.9". E50 otherwise.
Calibrator parse_calibrator(std::string_view text);
std::string to_string(const Calibrator& calibrator);

// Contains zero, and nothing that was not seen; [0, 0] if there is no finite value. With kSymmetric
// as far to either side.
Range choose_range(const TensorStats& stats, const Calibrator& calibrator,
                   Levels levels = Levels::kAsymmetric);

}  // namespace tersor::stats
