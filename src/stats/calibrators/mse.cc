// The range whose levels have the least mean squared error over what was seen.
#include "stats/calibrators/density.h"

namespace tersor::stats {
namespace {

// The sum of squared distances to the nearest level.
double squared_error(const Density& density, const Ladder& ladder) {
  if (!(ladder.scale > 0)) return HUGE_VAL;
  double error = 0;
  Density::Sums before;
  for (int k = 0; k < kLevels; ++k) {
    const double level = ladder.level(k);
    const Density::Sums here =
        k + 1 < kLevels ? density.below(level + ladder.scale / 2) : density.total();
    error += (here.xx - before.xx) - 2 * level * (here.x - before.x) +
             level * level * (here.n - before.n);
    before = here;
  }
  return error;
}

CalibrationMethod::Ends choose(const TensorStats& seen, double, Levels levels) {
  const Density density(seen.histogram);
  return best_ends(
      {double{seen.range.min}, double{seen.range.max}}, levels,
      [&](double lo, double hi) { return squared_error(density, Ladder(lo, hi, levels)); });
}

}  // namespace

extern const CalibrationMethod kMse{
    "mse", "the least mean squared error of the rounded values", {}, choose};

}  // namespace tersor::stats
