// The mean over the samples of the smallest and largest value of each: an outlier of one sample
// moves the range by its share. Every sample weighs the same, so that the order does not matter.
#include <cmath>

#include "stats/calibrator.h"

namespace tersor::stats {
namespace {

CalibrationMethod::Ends choose(const TensorStats& seen, double, Levels) {
  const double lo = seen.extremes.mean_min(), hi = seen.extremes.mean_max();
  if (!std::isfinite(lo) || !std::isfinite(hi))
    return {double{seen.range.min}, double{seen.range.max}};
  return {lo, hi};
}

}  // namespace

extern const CalibrationMethod kMovingAverage{
    "moving-average", "the mean of the extremes of each sample", {}, choose, false};

}  // namespace tersor::stats
