#include "search.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "score_command.h"

namespace tersor::cli {
namespace {

// "12.5dB" -> 12.5 and "dB".
std::pair<double, std::string> number_and_unit(const char* option, const std::string& text,
                                               const char* example) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value) || value < 0)
    fail_usage(fmt::format("cannot read {} '{}'", option, printable(text)), example);
  return {value, std::string(end, text.data() + text.size())};
}

void set_limit(const GoalOptions& o, Goal& goal) {
  constexpr const char* kExample = "for example 1% or 0.01; with --metric sqnr 25dB or 1%";
  const auto [value, unit] = number_and_unit("--max-drop", o.max_drop, kExample);
  const bool decibels = o.metric == "sqnr", percent = unit == "%";
  // An error of 1 % of the signal is 40 dB below it.
  goal.limit = !percent ? value : decibels ? -20 * std::log10(value / 100) : value / 100;
  goal.relative = percent && o.metric == "script";
  if (percent) return;
  if (decibels ? unit != "dB" && !unit.empty() : !unit.empty())
    fail_usage(fmt::format("cannot read --max-drop '{}' of {}", printable(o.max_drop), o.metric),
               kExample);
}

double seconds_of(const char* option, const std::string& text) {
  constexpr const char* kExample = "for example 90s, 10m, 1h";
  const auto [value, unit] = number_and_unit(option, text, kExample);
  const double factor = unit == "s" || unit.empty() ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (!(value * factor > 0))
    fail_usage(fmt::format("cannot read {} '{}'", option, printable(text)), kExample);
  return value * factor;
}

std::string value_text(const std::string& measure, double value) {
  if (measure == "sqnr") return decibel(value);
  if (measure == "cosine") return fmt::format("{:.6f}", value);
  if (measure == "score") return fmt::format("{:.6g}", value);
  return percent(value, 2);
}

std::string joined(const std::vector<std::string>& names) {
  constexpr size_t kListed = 6;
  std::string text;
  for (size_t i = 0; i < std::min(kListed, names.size()); ++i)
    text += (i ? ", " : "") + printable(names[i]);
  if (names.size() > kListed) text += fmt::format(" and {} more", names.size() - kListed);
  return text;
}

}  // namespace

void add_goal(CLI::App& app, GoalOptions& o) {
  app.add_option("--max-drop", o.max_drop,
                 "1%: layers stay in float, as few as can be found, until no more is lost on other "
                 "samples; exit 1 if that cannot be reached");
  app.add_option(
      "--metric", o.metric,
      "of --max-drop: top1 (default; other labels count where there are none), sqnr "
      "(--max-drop 25dB), cosine, script (--max-drop 1%: of the original's score; 0.01: in "
      "its unit)");
  app.add_option("--metric-command", o.command,
                 "of --metric script, 'python3 score.py {model}': prints one number for the model "
                 "file, higher is better; split into words and run without a shell");
  app.add_option("--metric-time", o.command_time, "that one run of it may take (1h)");
  app.add_option("--time", o.time,
                 "of the search for --max-drop, 90s, 10m, 1h: then the best so far is written");
}

std::optional<Goal> goal_of(const GoalOptions& given) {
  GoalOptions o = given;
  if (o.max_drop.empty()) {
    if (!o.time.empty()) fail_usage("--time is for --max-drop, which is not given");
    if (!o.command.empty()) fail_usage("--metric-command is for --max-drop, which is not given");
    return {};
  }
  if (o.metric.empty()) o.metric = o.command.empty() ? "top1" : "script";
  check_choice("metric", o.metric, {"top1", "sqnr", "cosine", "script"});
  const bool script = o.metric == "script";
  if (script && o.command.empty())
    fail_usage("--metric script needs a command that scores a model file",
               "for example --metric-command 'python3 score.py {model}'");
  if (!script && !o.command.empty())
    fail_usage(fmt::format("--metric-command is for --metric script, not {}", o.metric));
  Goal goal;
  goal.metric = script ? "score" : o.metric;
  set_limit(o, goal);
  if (!o.time.empty()) goal.seconds = seconds_of("--time", o.time);
  if (script) goal.score = score_by(o.command, seconds_of("--metric-time", o.command_time));
  return goal;
}

Json to_json(const Sensitivity& s) {
  Json j{{"samples", s.samples},
         {"all_int8_db", number(s.all_db)},
         {"seconds", s.seconds},
         {"layers", Json::array()}};
  for (const LayerSensitivity& l : s.layers)
    j["layers"].push_back({{"node", l.node},
                           {"op", l.op},
                           {"alone_db", number(l.alone_db)},
                           {"without_db", number(l.without_db)},
                           {"bytes", l.bytes}});
  return j;
}

Json to_json(const Search& s) {
  Json j{{"measure", s.measure},
         {"condition", s.condition},
         {"stopped", s.stopped.empty() ? Json(nullptr) : Json(s.stopped)},
         {"chosen", s.chosen ? Json(*s.chosen) : Json(nullptr)},
         {"seconds", s.seconds},
         {"tried", Json::array()}};
  if (s.original) j["original"] = number(*s.original);
  if (!s.failure.empty()) j["failure"] = s.failure;
  for (const Mix& m : s.tried)
    j["tried"].push_back(
        {{"float", m.left}, {"bytes", m.bytes}, {"value", number(m.value)}, {"holds", m.holds}});
  if (s.sensitivity) j["sensitivity"] = to_json(*s.sensitivity);
  return j;
}

std::string sensitivity_text(const Sensitivity& s, size_t most) {
  Table t({"layer", "operator", "alone in int8", "all but it", "saves"});
  t.left(1);
  const size_t shown = most == 0 ? s.layers.size() : std::min(most, s.layers.size());
  for (size_t i = 0; i < shown; ++i) {
    const LayerSensitivity& l = s.layers[i];
    t.add(
        {printable(l.node), l.op, decibel(l.alone_db), decibel(l.without_db), bytes_text(l.bytes)});
  }
  std::string text = t.text();
  if (shown < s.layers.size())
    text += fmt::format("  and {} more that hurt less\n", s.layers.size() - shown);
  return text;
}

std::string search_text(const Search& s, const std::vector<Timing>& timings) {
  std::string text = fmt::format("search     {} mixes in {:.1f} s; not wanted: {}{}\n",
                                 s.tried.size(), s.seconds, s.condition,
                                 s.stopped.empty()       ? ""
                                 : s.stopped == "time"   ? "; time is over"
                                 : s.stopped == "failed" ? "; no score"
                                                         : "; interrupted");
  if (s.original) text += fmt::format("  score of the original: {:.6g}\n", *s.original);
  constexpr size_t kListed = 8;
  if (s.sensitivity) text += sensitivity_text(*s.sensitivity, kListed);
  Table t({"in float", "weights", s.measure, "", "layers"});
  t.left(3).left(4);
  for (size_t i = 0; i < s.tried.size(); ++i) {
    const Mix& m = s.tried[i];
    t.add({std::to_string(m.left.size()), bytes_text(m.bytes), value_text(s.measure, m.value),
           s.chosen == i ? m.holds ? "taken" : "taken, does not hold"
           : m.holds     ? "holds"
                         : "",
           joined(m.left)});
  }
  text += t.text();
  if (!s.chosen) return text + "not met: nothing could be measured, all layers are int8\n";
  const Mix &chosen = s.tried[*s.chosen], &all = s.tried[0];
  if (chosen.left.empty()) return text;
  text += fmt::format("  {} layer{} in float cost {} of weights", chosen.left.size(),
                      chosen.left.size() == 1 ? "" : "s", bytes_text(chosen.bytes - all.bytes));
  if (timings.size() == 3)
    text +=
        fmt::format(" and {:.3g} ms: {:.3g} instead of {:.3g}",
                    timings[1].p50_ms - timings[2].p50_ms, timings[1].p50_ms, timings[2].p50_ms);
  return text + "\n";
}

}  // namespace tersor::cli
