#include "quant/algorithms/outliers.h"

#include <algorithm>
#include <cmath>

namespace tersor::quant {
namespace {

// The squared error of numbers in [from, to], of one sign.
double squared_error(const Format& format, double from, double to) {
  const double scale = double{format.params.scale()}, x = (from + to) / 2;
  const double stored = std::clamp(std::nearbyint(x / scale) * scale, double{format.range.lo},
                                   double{format.range.hi});
  const double error = (x - stored) * (x - stored);
  // Several levels in one bin.
  return std::fabs(to - from) > scale ? std::max(error, scale * scale / 12) : error;
}

}  // namespace

double ordinary_sqnr_db(const stats::TensorStats& seen, const Format& format) {
  const stats::Histogram& h = seen.histogram;
  const auto count = [](std::span<const uint64_t> half, int k) {
    return half.empty() ? 0.0 : static_cast<double>(half[static_cast<size_t>(k)]);
  };
  // The first bin is zeros, mostly.
  double total = 0, signal = 0, noise = 0;
  for (int k = 1; k < stats::Histogram::kBins; ++k)
    total += count(h.positive(), k) + count(h.negative(), k);
  if (total * (1 - kOrdinary) < 1) return HUGE_VAL;
  double left = kOrdinary * total;
  for (int k = 1; k < stats::Histogram::kBins && left > 0; ++k) {
    const double p = count(h.positive(), k), n = count(h.negative(), k), from = h.edge(k),
                 to = h.edge(k + 1), x = (from + to) / 2;
    if (p + n == 0) continue;
    signal += (p + n) * x * x;
    noise += p * squared_error(format, from, to) + n * squared_error(format, -to, -from);
    left -= p + n;
  }
  return noise > 0 ? 10 * std::log10(signal / noise) : HUGE_VAL;
}

}  // namespace tersor::quant
