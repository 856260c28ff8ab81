#include "stats/calibrator.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"

namespace tersor::stats {

namespace {

// The sum of squared errors of 256 levels over [lo, hi], zero among them, for what the bins count.
double squared_error(const Histogram::Dense& bins, double lo, double hi) {
  const double scale = (hi - lo) / 255;
  if (!(scale > 0)) return HUGE_VAL;
  const double zero = std::nearbyint(-lo / scale);
  const double low = -zero * scale, high = (255 - zero) * scale;
  double error = 0;
  for (size_t i = 0; i < bins.counts.size(); ++i) {
    if (bins.counts[i] == 0) continue;
    const double from = bins.lo + static_cast<double>(i) * bins.width;
    // The bin at zero mostly holds zeros themselves.
    const double value = from <= 0 && from + bins.width > 0 ? 0 : from + bins.width / 2;
    const double near = std::clamp(std::nearbyint(value / scale) * scale, low, high);
    error += static_cast<double>(bins.counts[i]) * (value - near) * (value - near);
  }
  return error;
}

// Both ends in turn, each over a ladder of shares of its extreme.
void least_error(const TensorStats& stats, double& lo, double& hi) {
  constexpr int kRounds = 2, kSteps = 80;
  constexpr double kSmallest = 0.2;
  lo = std::min(lo, 0.0);
  hi = std::max(hi, 0.0);
  const Histogram::Dense bins = stats.histogram.dense();
  const double first_lo = lo, first_hi = hi;
  double best = squared_error(bins, lo, hi);
  for (int round = 0; round < kRounds; ++round)
    for (double* end : {&hi, &lo}) {
      const double extreme = end == &hi ? first_hi : first_lo;
      if (extreme == 0) continue;
      double chosen = *end;
      for (int step = 0; step < kSteps; ++step) {
        *end = extreme * (1 - (1 - kSmallest) * step / kSteps);
        if (const double e = squared_error(bins, lo, hi); e < best) {
          best = e;
          chosen = *end;
        }
      }
      *end = chosen;
    }
}

}  // namespace

Calibrator parse_calibrator(std::string_view text) {
  if (text == "mse") return {};
  if (text == "percentile") return {Calibrator::Kind::kPercentile, 99.99};
  if (text == "minmax") return {Calibrator::Kind::kMinMax, 100};
  constexpr std::string_view kPrefix = "percentile:";
  if (text.starts_with(kPrefix)) {
    const std::string_view number = text.substr(kPrefix.size());
    double p = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), p);
    if (error != std::errc() || end != number.data() + number.size() || !(p > 50) || !(p <= 100))
      throw Error(ErrorKind::kUsage, "E50", "bad percentile " + base::quoted(number),
                  "a number over 50, up to 100, as in percentile:99.99");
    return {Calibrator::Kind::kPercentile, p};
  }
  const std::array<std::string, 4> names{"mse", "minmax", "percentile", "percentile:99.99"};
  const std::string close = base::nearest(text, names);
  throw Error(ErrorKind::kUsage, "E50", "unknown calibrator " + base::quoted(text),
              (close.empty() ? "" : "did you mean '" + close + "'? ") +
                  "calibrators: mse, minmax, percentile:99.99");
}

std::string to_string(const Calibrator& calibrator) {
  switch (calibrator.kind) {
    case Calibrator::Kind::kMinMax:
      return "minmax";
    case Calibrator::Kind::kMse:
      return "mse";
    case Calibrator::Kind::kPercentile:
      break;
  }
  return fmt::format("percentile:{}", calibrator.percentile);
}

Range choose_range(const TensorStats& stats, const Calibrator& calibrator) {
  if (stats.range.empty()) return {};
  double lo = stats.range.min, hi = stats.range.max;
  if (calibrator.kind == Calibrator::Kind::kPercentile) {
    const double tail = (100 - calibrator.percentile) / 200;
    lo = std::clamp(stats.histogram.quantile(tail), lo, hi);
    hi = std::clamp(stats.histogram.quantile(1 - tail), lo, hi);
  }
  if (calibrator.kind == Calibrator::Kind::kMse) least_error(stats, lo, hi);
  return {std::min(static_cast<float>(lo), 0.0f), std::max(static_cast<float>(hi), 0.0f)};
}

}  // namespace tersor::stats
