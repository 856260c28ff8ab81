// The range that keeps most of the information [Migacz 2017, "8-bit Inference with TensorRT"]: of
// the distribution p of the values, those outside the range moved into its outermost bins, and q,
// what the levels make of the values inside, each level spread evenly over its bins that are not
// empty, the Kullback-Leibler divergence sum p log(p / q) is least. Values at zero are left out:
// every range has them exactly.
//
// p has kBins equal bins, so that there are as many candidates as bins beyond one for each level.
// They are laid out over the bulk of the values first, and over twice as much as long as the least
// is at the end: a few values far away do not leave the others in one bin. sum p log p and the mass
// and bins of each level come from sums over the bins below a point: a range costs as much as it
// has levels, not bins.
#include "stats/calibrators/density.h"

namespace tersor::stats {
namespace {

using Ends = CalibrationMethod::Ends;

class EqualBins {
 public:
  static constexpr int kBins = 8 * kLevels;

  EqualBins(const Density& density, Ends window) {
    width_ = (window.hi - window.lo) / kBins;
    zero_ = static_cast<int>(std::ceil(-window.lo / width_));
    const int count = zero_ + static_cast<int>(std::ceil(window.hi / width_));
    Sums sum;
    double before = density.below(edge(0)).n;
    sum.n = before;  // what lies under the window
    sums_.push_back(sum);
    for (int i = 0; i < count; ++i) {
      const double below = density.below(edge(i + 1)).n, here = below - before;
      // What rounding leaves of an empty bin is nothing.
      const double n = here > kNothing * (density.total().n + 1) ? here : 0;
      bins_.push_back(n);
      sum.n += n;
      sum.log += xlogx(n);
      sum.used += n > 0;
      sums_.push_back(sum);
      before = below;
    }
    all_ = std::max(density.total().n, sum.n);
  }

  // The divergence of the range [lo, hi], ends rounded to bins.
  double divergence(double lo, double hi, Levels levels) const {
    const int count = static_cast<int>(bins_.size());
    const int from = std::clamp(bin(lo), 0, zero_), to = std::clamp(bin(hi), zero_, count);
    if (to - from < kLevels) return HUGE_VAL;
    const Sums &start = sums_[at(from)], &end = sums_[at(to)];
    const double inside = end.n - start.n;
    if (!(inside > 0)) return HUGE_VAL;
    const double under = start.n, over = all_ - end.n;
    // The outermost bins take what lies beyond.
    const double first = bins_[at(from)], last = bins_[at(to - 1)];
    const double p = end.log - start.log + xlogx(first + under) - xlogx(first) +
                     xlogx(last + over) - xlogx(last);
    const Ladder ladder(edge(from), edge(to), levels);
    double q = 0;
    int begin = from;
    for (int k = 0; k < kLevels && begin < to; ++k) {
      const int stop =
          k + 1 < kLevels ? std::clamp(bin(ladder.level(k) + ladder.scale / 2), begin, to) : to;
      if (stop == begin) continue;
      const Sums &a = sums_[at(begin)], &b = sums_[at(stop)];
      const double held = b.n - a.n + (begin == from ? under : 0) + (stop == to ? over : 0);
      if (held > 0)
        q += held * std::log(std::max(b.n - a.n, kNearlyNone) / std::max(b.used - a.used, 1));
      begin = stop;
    }
    return (p - q) / all_ + std::log(inside / all_);
  }

 private:
  struct Sums {  // below an edge
    double n = 0, log = 0;
    int used = 0;
  };
  static constexpr double kNothing = 1e-12;
  static constexpr double kNearlyNone = 1e-3;  // values in a level that holds none
  static double xlogx(double n) { return n > 0 ? n * std::log(n) : 0; }
  static size_t at(int i) { return static_cast<size_t>(i); }
  double edge(int i) const { return (i - zero_) * width_; }
  int bin(double x) const { return zero_ + static_cast<int>(std::nearbyint(x / width_)); }

  double width_ = 0, all_ = 0;
  int zero_ = 0;  // the bin that begins at 0
  std::vector<double> bins_;
  std::vector<Sums> sums_;
};

Ends choose(const TensorStats& seen, double, Levels levels) {
  constexpr double kBulk = 0.999, kAtEnd = 0.97, kLeast = 1.0 / 1024;
  const Density density(seen.histogram);
  Ends all{std::min(double{seen.range.min}, 0.0), std::max(double{seen.range.max}, 0.0)};
  Ends window{std::clamp(2 * seen.histogram.quantile(1 - kBulk), all.lo, all.lo * kLeast),
              std::clamp(2 * seen.histogram.quantile(kBulk), all.hi * kLeast, all.hi)};
  // Both sides reach as far.
  if (levels == Levels::kSymmetric)
    for (Ends* e : {&all, &window}) e->hi = std::max(-e->lo, e->hi), e->lo = -e->hi;
  while (window.hi > window.lo) {
    const EqualBins bins(density, window);
    const Ends best = best_ends(
        window, levels, [&](double lo, double hi) { return bins.divergence(lo, hi, levels); });
    const bool low = window.lo > all.lo && best.lo < kAtEnd * window.lo;
    const bool high = window.hi < all.hi && best.hi > kAtEnd * window.hi;
    if (!low && !high) return best;
    if (low) window.lo = std::max(2 * window.lo, all.lo);
    if (high) window.hi = std::min(2 * window.hi, all.hi);
  }
  return all;
}

}  // namespace

extern const CalibrationMethod kEntropy{
    "entropy", "the least loss of information (Kullback-Leibler)", {}, choose};

}  // namespace tersor::stats
