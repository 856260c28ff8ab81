// A histogram as a density, for the calibrators that search: even inside each bin, and a point of
// mass at zero, which every range represents exactly and which therefore counts nowhere here.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "stats/calibrator.h"

namespace tersor::stats {

class Density {
 public:
  explicit Density(const Histogram& histogram);  // refers to it

  // Over the values below x.
  struct Sums {
    double n = 0, x = 0, xx = 0;  // of 1, x and x^2
  };
  Sums below(double x) const;
  const Sums& total() const { return sums_.back(); }

  struct Bin {
    double from = 0, to = 0, n = 0;
  };

 private:
  size_t index(double x) const;

  const Histogram& histogram_;
  size_t zero_ = 0;  // the first bin of values >= 0
  std::vector<Bin> bins_;
  std::vector<Sums> sums_;  // below bins_[i].from, and of all
};

// The 256 levels of a range: level k, of 0..255, stands for (k - zero) * scale.
struct Ladder {
  double scale = 0, zero = 0;
  Ladder(double lo, double hi, Levels levels);
  double level(int k) const { return (k - zero) * scale; }
};
inline constexpr int kLevels = 256;

// The end of a range, of `extreme` and down to 1/1024 of it, for which cost(end) is least; `start`,
// which costs `least`, if none is better. Ends are 1/128 of an octave apart where it matters.
template <typename Cost>
double best_end(double extreme, double start, double& least, Cost cost) {
  constexpr int kCoarse = 16, kFine = 8, kOctaves = 10;
  constexpr double kHopeless = 16;  // what is cut costs more and more
  double best = start;
  int chosen = -1;
  const auto look = [&](int step) {
    const double end = extreme * std::exp2(-step / double{kCoarse * kFine});
    const double c = cost(end);
    if (!(c < least)) return c < kHopeless * least;
    least = c;
    best = end;
    chosen = step;
    return true;
  };
  for (int i = 0; i <= kCoarse * kOctaves && look(i * kFine); ++i) {
  }
  if (chosen < 0) return best;
  const int middle = chosen;
  for (int j = -kFine + 1; j < kFine; ++j)
    if (j != 0 && middle + j > 0) look(middle + j);
  return best;
}

// Both ends of `all` in turn, the other as it is; with kSymmetric one for both sides. cost(lo, hi).
template <typename Cost>
CalibrationMethod::Ends best_ends(CalibrationMethod::Ends all, Levels levels, Cost cost) {
  double lo = std::min(all.lo, 0.0), hi = std::max(all.hi, 0.0);
  if (levels == Levels::kSymmetric) {
    const double extreme = std::max(-lo, hi);
    double least = cost(-extreme, extreme);
    const double end = best_end(extreme, extreme, least, [&](double e) { return cost(-e, e); });
    return {-end, end};
  }
  const double first_lo = lo, first_hi = hi;
  double least = cost(lo, hi);
  for (int round = 0; round < 2; ++round) {
    if (first_hi > 0) hi = best_end(first_hi, hi, least, [&](double e) { return cost(lo, e); });
    if (first_lo < 0) lo = best_end(first_lo, lo, least, [&](double e) { return cost(e, hi); });
    if (first_lo == 0 || first_hi == 0) break;
  }
  return {lo, hi};
}

}  // namespace tersor::stats
