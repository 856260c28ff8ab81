// All but the outermost values; what is cut is cut half from either end.
#include "stats/calibrator.h"

namespace tersor::stats {
namespace {

CalibrationMethod::Ends choose(const TensorStats& seen, double percentile, Levels) {
  const double tail = (100 - percentile) / 200;
  return {seen.histogram.quantile(tail), seen.histogram.quantile(1 - tail)};
}

}  // namespace

extern const CalibrationMethod kPercentile{
    "percentile", "all but the outermost values",
    CalibrationMethod::Parameter{99.99, 50, 100,
                                 "a number over 50, up to 100, as in percentile:99.99"},
    choose};

}  // namespace tersor::stats
