#include "stats/calibrator.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"

namespace tersor::stats {

Calibrator parse_calibrator(std::string_view text) {
  if (text == "minmax") return {Calibrator::Kind::kMinMax, 100};
  if (text == "percentile") return {};
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
  const std::array<std::string, 3> names{"minmax", "percentile", "percentile:99.99"};
  const std::string close = base::nearest(text, names);
  throw Error(ErrorKind::kUsage, "E50", "unknown calibrator " + base::quoted(text),
              (close.empty() ? "" : "did you mean '" + close + "'? ") +
                  "calibrators: minmax, percentile:99.99");
}

std::string to_string(const Calibrator& calibrator) {
  return calibrator.kind == Calibrator::Kind::kMinMax
             ? "minmax"
             : fmt::format("percentile:{}", calibrator.percentile);
}

Range choose_range(const TensorStats& stats, const Calibrator& calibrator) {
  if (stats.range.empty()) return {};
  double lo = stats.range.min, hi = stats.range.max;
  if (calibrator.kind == Calibrator::Kind::kPercentile) {
    const double tail = (100 - calibrator.percentile) / 200;
    lo = std::clamp(stats.histogram.quantile(tail), lo, hi);
    hi = std::clamp(stats.histogram.quantile(1 - tail), lo, hi);
  }
  return {std::min(static_cast<float>(lo), 0.0f), std::max(static_cast<float>(hi), 0.0f)};
}

}  // namespace tersor::stats
