#include "eval/accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/classes.h"

namespace tersor::eval {

void Hits::add(std::span<const float> scores, int64_t truth) {
  ++n_;
  classes_ = static_cast<int64_t>(scores.size());
  outside_ += truth < 0 || truth >= classes_;
  top1_ += judge(scores).label == truth;
  top5_ += in_top(scores, truth, 5);
}

Accuracy Hits::accuracy() const {
  const auto share = [&](int64_t hits) {
    return static_cast<double>(hits) / static_cast<double>(n_);
  };
  Accuracy a{.n = n_, .top1 = share(top1_), .top5 = {}};
  if (classes_ > 5) a.top5 = share(top5_);
  return a;
}

void Hits::warn(std::vector<Warning>& warnings) const {
  if (outside_ > 0)
    warnings.push_back({"W27", fmt::format("{} of {} labels lie outside the {} classes of the "
                                           "model (0 to {}) and count as wrong",
                                           outside_, n_, classes_, classes_ - 1)});
}

std::pair<double, double> paired_interval(int64_t n, int64_t gained, int64_t lost) {
  constexpr double kZ = 1.959963985;
  const double all = static_cast<double>(n) + 2;
  const double up = (static_cast<double>(gained) + 1) / all;
  const double down = (static_cast<double>(lost) + 1) / all;
  const double middle = up - down;
  const double half = kZ * std::sqrt(std::max(0.0, up + down - middle * middle) / all);
  return {std::max(-1.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace tersor::eval
