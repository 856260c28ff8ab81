#include "eval/conditions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace tersor::eval {
namespace {

enum class Needs { kNothing, kClasses, kLabels };

struct Measure {
  const char* name;
  bool below_is_bad;
  bool share;  // of 1, may be written with %
  const char* unit;
  Needs needs;
};
constexpr std::array kMeasures{
    Measure{"top1_agree", true, true, "", Needs::kClasses},
    Measure{"top1_drop", false, true, "", Needs::kLabels},
    Measure{"top1_a", true, true, "", Needs::kLabels},
    Measure{"top1_b", true, true, "", Needs::kLabels},
    Measure{"sqnr", true, false, " dB", Needs::kNothing},
    Measure{"cosine", true, false, "", Needs::kNothing},
    Measure{"max_abs", false, false, "", Needs::kNothing},
    Measure{"probability_change", false, true, "", Needs::kClasses},
};

const Measure* measure_of(std::string_view name) {
  const auto it = std::ranges::find(kMeasures, name, &Measure::name);
  return it == kMeasures.end() ? nullptr : &*it;
}

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

// The worst value of a measure, and the output that has it where there are several.
std::pair<double, std::string> value_of(const Comparison& c, const std::string& measure) {
  if (measure == "top1_agree") return {c.top1_agree, {}};
  if (measure == "probability_change") return {c.max_probability_change, {}};
  if (measure == "top1_a") return {c.accuracy_a->top1, {}};
  if (measure == "top1_b") return {c.accuracy_b->top1, {}};
  if (measure == "top1_drop") return {c.accuracy_a->top1 - c.accuracy_b->top1, {}};
  const auto get = [&](const OutputComparison& o) {
    return measure == "sqnr" ? o.sqnr_db : measure == "cosine" ? o.cosine : -o.max_abs;
  };
  const OutputComparison& worst = *std::ranges::min_element(c.outputs, {}, get);
  return {measure == "max_abs" ? worst.max_abs : get(worst),
          c.outputs.size() > 1 ? " of output " + base::quoted(worst.name) : ""};
}

std::string number_text(const Measure& m, double value) {
  if (m.share) return fmt::format("{:.6g} %", 100 * value);
  return fmt::format("{:.6g}{}", value, m.unit);
}

}  // namespace

Condition parse_condition(std::string_view text) {
  Condition c;
  c.text = trimmed(text);
  const size_t at = c.text.find_first_of("<>");
  if (at == std::string::npos) refuse(text, "there is no < or >");
  c.measure = trimmed(std::string_view(c.text).substr(0, at));
  c.below = c.text[at] == '<';
  const Measure* m = measure_of(c.measure);
  if (!m) {
    std::vector<std::string> names;
    for (const Measure& known : kMeasures) names.emplace_back(known.name);
    const std::string near = base::nearest(c.measure, names);
    refuse(text,
           fmt::format("there is no measure {}{}", base::quoted(c.measure),
                       near.empty() ? "" : fmt::format(" (did you mean {}?)", base::quoted(near))));
  }
  std::string number = trimmed(std::string_view(c.text).substr(at + 1));
  const bool percent = number.ends_with('%');
  if (percent) number = trimmed(std::string_view(number).substr(0, number.size() - 1));
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), c.limit);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(c.limit))
    refuse(text, fmt::format("{} is no number", base::quoted(number)));
  if (percent && !m->share) refuse(text, fmt::format("{} is no share of 100 %", c.measure));
  if (percent) c.limit /= 100;
  if (m->share && std::fabs(c.limit) > 1)
    refuse(text, fmt::format("{} is a share: write it with %, or from 0 to 1", c.measure));
  if (c.below != m->below_is_bad)
    refuse(text, fmt::format("it would fail where {} is good; it says when to fail: {}{}...",
                             c.measure, c.measure, m->below_is_bad ? '<' : '>'));
  return c;
}

void check_measured(const std::vector<Condition>& conditions, bool classifier, bool labels) {
  for (const Condition& c : conditions) {
    const Needs needs = measure_of(c.measure)->needs;
    const bool classes = needs == Needs::kNothing || classifier;
    if (classes && (needs != Needs::kLabels || labels)) continue;
    throw Error(ErrorKind::kUsage, "E50",
                fmt::format("the condition {} cannot be checked: {}", base::quoted(c.text),
                            classes ? "there are no labels" : "the model has no class output"),
                "--labels gives labels; sqnr, cosine and max_abs work for any model");
  }
}

double measured(const Comparison& comparison, const Condition& condition) {
  return value_of(comparison, condition.measure).first;
}

std::vector<std::string> broken(const Comparison& comparison,
                                const std::vector<Condition>& conditions) {
  std::vector<std::string> sentences;
  check_measured(conditions, comparison.classifier, comparison.accuracy_a.has_value());
  for (const Condition& c : conditions) {
    if (comparison.outputs.empty()) break;
    const auto [value, where] = value_of(comparison, c.measure);
    const bool fails = c.below ? !(value >= c.limit) : !(value <= c.limit);
    if (!fails) continue;
    const Measure& m = *measure_of(c.measure);
    sentences.push_back(fmt::format("{}{} is {}, {} {}", c.measure, where, number_text(m, value),
                                    c.below ? "below" : "above", number_text(m, c.limit)));
  }
  for (const OutputComparison& o : comparison.outputs)
    if (!o.finite)
      sentences.push_back(
          fmt::format("output {} has values that are not finite where the original's are",
                      base::quoted(o.name)));
  return sentences;
}

}  // namespace tersor::eval
