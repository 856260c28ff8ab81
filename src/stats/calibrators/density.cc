#include "stats/calibrators/density.h"

#include <limits>

namespace tersor::stats {
namespace {

// Adds the part of a bin between its start and x.
Density::Sums add(Density::Sums sums, const Density::Bin& bin, double x) {
  const double width = bin.to - bin.from, length = x - bin.from;
  if (bin.n == 0 || !(length > 0)) return sums;
  const double a = bin.from, n = bin.n * length / width;
  sums.n += n;
  sums.x += n * (a + length / 2);
  sums.xx += n * (a * a + a * length + length * length / 3);
  return sums;
}

}  // namespace

Density::Density(const Histogram& h) : histogram_(h) {
  constexpr int kBins = Histogram::kBins;
  const auto negative = h.negative(), positive = h.positive();
  // The bins next to zero hold zeros, mostly.
  const auto count = [](std::span<const uint64_t> half, int k) {
    return k == 0 ? 0.0 : static_cast<double>(half[static_cast<size_t>(k)]);
  };
  for (int k = kBins; k-- > 0 && !negative.empty();)
    bins_.push_back({-h.edge(k + 1), -h.edge(k), count(negative, k)});
  zero_ = bins_.size();
  for (int k = 0; k < kBins && !positive.empty(); ++k)
    bins_.push_back({h.edge(k), h.edge(k + 1), count(positive, k)});
  sums_.emplace_back();
  for (const Bin& bin : bins_) sums_.push_back(add(sums_.back(), bin, bin.to));
}

size_t Density::index(double x) const {
  constexpr double kLargest = std::numeric_limits<float>::max();
  const auto k =
      static_cast<size_t>(histogram_.bin_of(static_cast<float>(std::min(std::fabs(x), kLargest))));
  if (x >= 0) return std::min(zero_ + k, bins_.size() - 1);
  return zero_ > k ? zero_ - 1 - k : 0;
}

Density::Sums Density::below(double x) const {
  if (bins_.empty()) return {};
  const size_t i = index(x);
  return add(sums_[i], bins_[i], std::min(x, bins_[i].to));
}

Ladder::Ladder(double lo, double hi, Levels levels) {
  if (levels == Levels::kSymmetric) {
    scale = hi / 127;
    zero = 128;
    return;
  }
  scale = (hi - lo) / 255;
  if (scale > 0) zero = std::nearbyint(-lo / scale);
}

}  // namespace tersor::stats
