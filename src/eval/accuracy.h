// Counting right answers, and how sure a difference of two counts is.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "calib/dataset.h"
#include "tersor/compare.h"

namespace tersor::eval {

class Hits {
 public:
  void add(std::span<const float> scores, int64_t truth);
  int64_t count() const noexcept { return n_; }
  Accuracy accuracy() const;  // count() > 0
  // W27 if labels lie outside the classes.
  void warn(std::vector<Warning>& warnings) const;

 private:
  int64_t n_ = 0, top1_ = 0, top5_ = 0, classes_ = 0, outside_ = 0;
};

// Two models on the same samples: of `n`, `gained` are right only in the second model, `lost` only
// in the first. The 95 % interval of the second's accuracy minus the first's, by Bonett and Price
// (2012): Wald's with half a sample added to each of the four cells, so that few samples or equal
// answers do not pretend to certainty.
std::pair<double, double> paired_interval(int64_t n, int64_t gained, int64_t lost);

}  // namespace tersor::eval
