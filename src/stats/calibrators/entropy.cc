// The range that keeps most of the information: of the distribution p of the values, those outside
// the range moved into its outermost bins, and q, what the levels make of the values inside, each
// level spread evenly over its width, the Kullback-Leibler divergence sum p log(p / q) is least
// [Migacz 2017, "8-bit Inference with TensorRT"]. p has the bins of the histogram, finer than the
// levels wherever the range ends. Values at zero are left out: every range has them exactly.
//
// With p(x) even inside bins and q even inside levels, sum p log p and the mass of each level come
// from sums over the bins below a point, so that a range costs as much as it has levels.
#include "stats/calibrators/density.h"

namespace tersor::stats {
namespace {

constexpr double kNearlyNothing = 1e-3;  // values in a level that holds none

double xlogx(double n, double width) { return n > 0 ? n * std::log(n / width) : 0; }

// The bin at an end of a range takes what lies beyond it.
double moved(const Density::Bin& end, double beyond) {
  const double width = end.to - end.from;
  return width > 0 ? xlogx(end.n + beyond, width) - xlogx(end.n, width) : 0;
}

double divergence(const Density& density, double lo, double hi, Levels levels) {
  // Ends lie on edges of bins.
  hi = hi > 0 ? density.bin(hi).to : 0;
  lo = lo < 0 ? density.bin(lo).from : 0;
  const Ladder ladder(lo, hi, levels);
  if (!(ladder.scale > 0)) return HUGE_VAL;
  const Density::Sums below_lo = density.below(lo), below_hi = density.below(hi);
  const double all = density.total().n, inside = below_hi.n - below_lo.n;
  if (!(inside > 0)) return HUGE_VAL;
  const double under = below_lo.n, over = all - below_hi.n;
  double p = below_hi.log - below_lo.log;
  if (over > 0) p += moved(density.bin(std::nextafter(hi, 0.0)), over);
  if (under > 0) p += moved(density.bin(std::nextafter(lo, 0.0)), under);

  double q = 0, from = lo, before = below_lo.n, held = under;
  for (int k = 0; k < kLevels && from < hi; ++k) {
    const double to = k + 1 < kLevels ? std::min(ladder.level(k) + ladder.scale / 2, hi) : hi;
    if (!(to > from)) continue;
    const double here = to < hi ? density.below(to).n : below_hi.n;
    const double mass = here - before;
    held += mass + (to < hi ? 0 : over);
    if (held > 0) q += held * std::log(std::max(mass, kNearlyNothing) / (to - from));
    held = 0;
    from = to;
    before = here;
  }
  return (p - q) / all + std::log(inside / all);
}

CalibrationMethod::Ends choose(const TensorStats& seen, double, Levels levels) {
  const Density density(seen.histogram);
  return best_ends(seen.range, levels,
                   [&](double lo, double hi) { return divergence(density, lo, hi, levels); });
}

}  // namespace

extern const CalibrationMethod kEntropy{
    "entropy", "the least loss of information (Kullback-Leibler)", {}, choose};

}  // namespace tersor::stats
