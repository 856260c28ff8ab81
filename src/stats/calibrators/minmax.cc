// The smallest and largest value seen.
#include "stats/calibrator.h"

namespace tersor::stats {
namespace {

CalibrationMethod::Ends choose(const TensorStats& seen, double, Levels) {
  return {double{seen.range.min}, double{seen.range.max}};
}

}  // namespace

extern const CalibrationMethod kMinMax{"minmax", "all that was seen", {}, choose, false};

}  // namespace tersor::stats
