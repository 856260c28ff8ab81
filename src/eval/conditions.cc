#include "eval/conditions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/file.h"

namespace tersor::eval {
namespace {

constexpr std::array<const char*, 8> kMeasures{
    "top1_agree", "top1_drop", "top1_a",  "top1_b",
    "sqnr",       "cosine",    "max_abs", "probability_change"};

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw Error(
      ErrorKind::kUsage, "E50",
      fmt::format("cannot read the condition {}: {}", base::quoted(text), why),
      "write for example top1_agree<0.99, top1_drop>0.5%, sqnr<20, cosine<0.99 or max_abs>0.1");
}

std::string trimmed(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return std::string(text.substr(from, text.find_last_not_of(" \t") - from + 1));
}

// The worst value of a measure; nullopt if this comparison does not have it.
std::optional<double> value_of(const Comparison& c, const std::string& measure) {
  const auto worst = [&](auto get, bool smallest) -> std::optional<double> {
    std::optional<double> v;
    for (const OutputComparison& o : c.outputs)
      v = !v ? get(o) : smallest ? std::min(*v, get(o)) : std::max(*v, get(o));
    return v;
  };
  if (measure == "sqnr") return worst([](const OutputComparison& o) { return o.sqnr_db; }, true);
  if (measure == "cosine") return worst([](const OutputComparison& o) { return o.cosine; }, true);
  if (measure == "max_abs")
    return worst([](const OutputComparison& o) { return o.max_abs; }, false);
  if (measure == "top1_agree") return c.classifier ? std::optional(c.top1_agree) : std::nullopt;
  if (measure == "probability_change")
    return c.classifier ? std::optional(c.max_probability_change) : std::nullopt;
  if (!c.accuracy_a || !c.accuracy_b) return {};
  if (measure == "top1_a") return c.accuracy_a->top1;
  if (measure == "top1_b") return c.accuracy_b->top1;
  return c.accuracy_a->top1 - c.accuracy_b->top1;
}

}  // namespace

Condition parse_condition(std::string_view text) {
  Condition c;
  c.text = trimmed(text);
  const size_t at = c.text.find_first_of("<>");
  if (at == std::string::npos) refuse(text, "there is no < or >");
  c.measure = trimmed(std::string_view(c.text).substr(0, at));
  c.below = c.text[at] == '<';
  if (std::ranges::find(kMeasures, c.measure) == kMeasures.end()) {
    const std::vector<std::string> names(kMeasures.begin(), kMeasures.end());
    const std::string near = base::nearest(c.measure, names);
    refuse(text,
           fmt::format("there is no measure {}{}", base::quoted(c.measure),
                       near.empty() ? "" : fmt::format(" (did you mean {}?)", base::quoted(near))));
  }
  std::string number = trimmed(std::string_view(c.text).substr(at + 1));
  const bool percent = number.ends_with('%');
  if (percent) number = trimmed(std::string_view(number).substr(0, number.size() - 1));
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), c.limit);
  if (error != std::errc() || end != number.data() + number.size() || number.empty())
    refuse(text, fmt::format("{} is no number", base::quoted(number)));
  if (percent) c.limit /= 100;
  return c;
}

std::vector<std::string> broken(const Comparison& comparison,
                                const std::vector<Condition>& conditions) {
  std::vector<std::string> sentences;
  for (const Condition& c : conditions) {
    const auto value = value_of(comparison, c.measure);
    if (!value)
      throw Error(ErrorKind::kUsage, "E50",
                  fmt::format("the condition {} cannot be checked: {}", base::quoted(c.text),
                              c.measure == "top1_agree" || c.measure == "probability_change"
                                  ? "the model has no class output"
                                  : "it needs labels and a class output"),
                  "--labels gives labels; sqnr, cosine and max_abs work for any model");
    const bool fails = c.below ? !(*value >= c.limit) : !(*value <= c.limit);
    if (fails)
      sentences.push_back(fmt::format("{} is {:.4g}, {} {:.4g}", c.measure, *value,
                                      c.below ? "below" : "above", c.limit));
  }
  for (const OutputComparison& o : comparison.outputs)
    if (!o.finite)
      sentences.push_back(
          fmt::format("output {} has values that are not finite where the original's are",
                      base::quoted(o.name)));
  return sentences;
}

}  // namespace tersor::eval
