#include "stats/calibrator.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace tersor::stats {
namespace {

const CalibrationMethod* const kAll[] = {&kMse, &kMinMax, &kMovingAverage, &kPercentile, &kEntropy};

}  // namespace

std::span<const CalibrationMethod* const> calibration_methods() { return kAll; }

Calibrator parse_calibrator(std::string_view text) {
  const size_t colon = std::min(text.find(':'), text.size());
  std::vector<std::string> names;
  std::string list;
  for (const CalibrationMethod* m : kAll) {
    if (text.substr(0, colon) == m->name && (m->parameter || colon == text.size())) {
      if (colon == text.size()) return {m, m->parameter ? m->parameter->standard : 0};
      const std::string_view number = text.substr(colon + 1);
      double p = 0;
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), p);
      if (error != std::errc() || end != number.data() + number.size() ||
          !(p > m->parameter->above) || !(p <= m->parameter->up_to))
        throw Error(ErrorKind::kUsage, "E50",
                    fmt::format("bad {} {}", m->name, base::quoted(number)), m->parameter->help);
      return {m, p};
    }
    names.emplace_back(m->name);
    list += (list.empty() ? "" : ", ") + to_string({m, m->parameter ? m->parameter->standard : 0});
  }
  const std::string close = base::nearest(text, names);
  throw Error(ErrorKind::kUsage, "E50", "unknown calibrator " + base::quoted(text),
              (close.empty() ? "" : "did you mean '" + close + "'? ") + "calibrators: " + list);
}

std::string to_string(const Calibrator& calibrator) {
  const CalibrationMethod& m = *calibrator.method;
  return m.parameter ? fmt::format("{}:{}", m.name, calibrator.parameter) : m.name;
}

Range choose_range(const TensorStats& stats, const Calibrator& calibrator, Levels levels) {
  if (stats.range.empty()) return {};
  const auto [lo, hi] = calibrator.method->choose(stats, calibrator.parameter, levels);
  const double min{stats.range.min}, max{stats.range.max};
  if (levels == Levels::kSymmetric) {
    const auto end = static_cast<float>(std::min(std::max(-lo, hi), std::max(-min, max)));
    return {-end, end};
  }
  return {std::min(static_cast<float>(std::clamp(lo, min, max)), 0.0F),
          std::max(static_cast<float>(std::clamp(hi, min, max)), 0.0F)};
}

}  // namespace tersor::stats
