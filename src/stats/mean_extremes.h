// The mean over samples of the smallest and of the largest value of each.
#pragma once

#include <cmath>
#include <cstdint>

#include "stats/exact_sum.h"
#include "stats/min_max.h"

namespace tersor::stats {

struct MeanExtremes {
  ExactSum min, max;
  uint64_t samples = 0;

  void add(const MinMax& sample) {
    if (sample.empty()) return;
    min.add(double{sample.min});
    max.add(double{sample.max});
    ++samples;
  }
  void merge(const MeanExtremes& other) {
    min.merge(other.min);
    max.merge(other.max);
    samples += other.samples;
  }
  // NaN while there is none.
  double mean_min() const { return min.value() / static_cast<double>(samples); }
  double mean_max() const { return max.value() / static_cast<double>(samples); }
  bool operator==(const MeanExtremes&) const = default;
};

}  // namespace tersor::stats
