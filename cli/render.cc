#include "render.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

namespace tersor::cli {
namespace {

// Columns of text on a terminal: bytes that do not continue a UTF-8 sequence.
size_t width(const std::string& s) {
  return static_cast<size_t>(std::ranges::count_if(s, [](char c) { return (c & 0xC0) != 0x80; }));
}

Json samples_json(const std::vector<SampleComparison>& samples) {
  Json list = Json::array();
  for (const SampleComparison& s : samples) {
    Json sample{{"source", s.source},
                {"label", {s.label_a, s.label_b}},
                {"probability", {number(s.probability_a), number(s.probability_b)}},
                {"margin", number(s.margin_a)}};
    if (s.truth) sample["truth"] = *s.truth;
    list.push_back(std::move(sample));
  }
  return list;
}

Json accuracy_pair(const Accuracy& a, const Accuracy& b) { return Json::array({a.top1, b.top1}); }

}  // namespace

Table& Table::left(size_t column) {
  left_.push_back(column);
  return *this;
}

std::string Table::text(const std::string& indent) const {
  std::vector<size_t> widths;
  for (const auto& row : rows_)
    for (size_t c = 0; c < row.size(); ++c) {
      if (c >= widths.size()) widths.push_back(0);
      widths[c] = std::max(widths[c], width(row[c]));
    }
  std::string out;
  for (const auto& row : rows_) {
    std::string line = indent;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string pad(widths[c] - width(row[c]), ' ');
      const bool flush_left = std::ranges::find(left_, c) != left_.end();
      line += (c ? "  " : "") + (flush_left ? row[c] + pad : pad + row[c]);
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  }
  return out;
}

std::string bytes_text(uint64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (b < 1e6) return fmt::format("{:.1f} kB", b / 1e3);
  return b < 1e9 ? fmt::format("{:.1f} MB", b / 1e6) : fmt::format("{:.2f} GB", b / 1e9);
}

std::string count_text(int64_t count) {
  const double n = static_cast<double>(count);
  if (count < 10000) return fmt::format("{}", count);
  if (n < 1e6) return fmt::format("{:.1f} k", n / 1e3);
  return n < 1e9 ? fmt::format("{:.1f} M", n / 1e6) : fmt::format("{:.2f} G", n / 1e9);
}

std::string percent(double share, int digits) {
  return fmt::format("{:.{}f} %", 100 * share, digits);
}

std::string decibel(double db) {
  if (std::isnan(db)) return "-";
  if (std::isinf(db)) return db > 0 ? "equal" : "no signal";
  return fmt::format("{:.1f} dB", db);
}

std::string printable(const std::string& text) {
  std::string out;
  for (unsigned char c : text) {
    if (c < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += static_cast<char>(c);
  }
  return out;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json to_json(const Comparison& c) {
  Json j{{"n", c.n},
         {"passed", c.passed},
         {"broken", c.broken},
         {"synthetic", c.synthetic},
         {"data", c.data_summary}};
  j["outputs"] = Json::array();
  for (const OutputComparison& o : c.outputs)
    j["outputs"].push_back({{"name", o.name},
                            {"sqnr_db", number(o.sqnr_db)},
                            {"cosine", number(o.cosine)},
                            {"max_abs", number(o.max_abs)},
                            {"finite", o.finite}});
  if (!c.layers.empty()) {
    j["layers"] = Json::array();
    for (const LayerComparison& l : c.layers)
      j["layers"].push_back({{"value", l.value},
                             {"node", l.node},
                             {"op", l.op},
                             {"sqnr_db", number(l.sqnr_db)},
                             {"cosine", number(l.cosine)},
                             {"max_abs", number(l.max_abs)}});
  }
  if (c.classifier) {
    j["top1_agree"] = c.top1_agree;
    j["max_probability_change"] = c.max_probability_change;
    j["samples"] = samples_json(c.samples);
    if (!c.most_changed.empty()) j["most_changed"] = samples_json(c.most_changed);
  }
  if (c.accuracy_a && c.accuracy_b) {
    j["top1"] = accuracy_pair(*c.accuracy_a, *c.accuracy_b);
    if (c.accuracy_a->top5 && c.accuracy_b->top5)
      j["top5"] = {*c.accuracy_a->top5, *c.accuracy_b->top5};
    if (c.top1_delta_ci95)
      j["top1_delta_ci95"] = {c.top1_delta_ci95->first, c.top1_delta_ci95->second};
  }
  return j;
}

Json to_json(const Timing& t) {
  return {{"model", t.model},   {"threads", t.threads},      {"batch", t.batch},
          {"p50_ms", t.p50_ms}, {"p90_ms", t.p90_ms},        {"min_ms", t.min_ms},
          {"rounds", t.rounds}, {"spread", number(t.spread)}};
}

Json to_json(const std::vector<Warning>& warnings) {
  Json j = Json::array();
  for (const Warning& w : warnings) j.push_back({{"code", w.code}, {"text", w.text}});
  return j;
}

Json to_json(const Port& p) {
  Json shape = nullptr;
  if (p.ranked) {
    shape = Json::array();
    for (size_t i = 0; i < p.dims.size(); ++i) {
      if (p.dims[i] >= 0)
        shape.push_back(p.dims[i]);
      else
        shape.push_back(p.names[i]);
    }
  }
  return {{"name", p.name}, {"dtype", tensor::name(p.dtype)}, {"shape", std::move(shape)}};
}

ReportFiles report_files(const std::string& path, bool force) {
  std::filesystem::path twin(path);
  twin.replace_extension(".json");
  if (twin == std::filesystem::path(path))
    fail_usage("--report names the page: its JSON twin is written beside it",
               "--report " + twin.replace_extension(".html").string());
  for (const auto& file : {std::filesystem::path(path), twin}) check_output(file, force);
  return {path, twin.string()};
}

void write_report(const ReportFiles& files, const Report& report, const Json& json, bool force) {
  write_text(files.html, html_report(report), force);
  write_text(files.json, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n", force);
}

Json host_json() {
  const Host h = host();
  return {{"cpu", h.cpu}, {"isa", h.isa}, {"cores", h.cores}};
}

Json report(const Common& common) {
  return {{"schema", "tersor.report/1"},
          {"tersor", version()},
          {"command", common.command},
          {"host", host_json()}};
}

void print(const Json& json) {
  print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0)
    throw Error(ErrorKind::kOutput, "E42", "standard output cannot be written");
}

void print_warnings(const std::vector<Warning>& warnings, const Common& common) {
  if (common.quiet) return;
  for (const Warning& w : warnings)
    fmt::print(stderr, "warning[{}]: {}\n", w.code, printable(w.text));
}

std::string comparison_text(const Comparison& c, bool samples) {
  std::string out;
  if (samples && !c.samples.empty()) {
    Table t({"sample", "label", "prob.", "label", "prob.", ""});
    t.left(5);
    for (const SampleComparison& s : c.samples)
      t.add({printable(s.source), fmt::format("{}", s.label_a),
             fmt::format("{:.3f}", s.probability_a), fmt::format("{}", s.label_b),
             fmt::format("{:.3f}", s.probability_b), s.label_a == s.label_b ? "" : "differs"});
    out += t.text() + "\n";
  }
  if (!c.layers.empty()) {
    Table t({"layer", "operator", "SQNR", "cosine", "max |d|"});
    t.left(1);
    for (const LayerComparison& l : c.layers)
      t.add({printable(l.node.empty() ? l.value : l.node), printable(l.op), decibel(l.sqnr_db),
             fmt::format("{:.5f}", l.cosine), fmt::format("{:.3g}", l.max_abs)});
    out += t.text() + "\n";
  }
  Table t({"output", "SQNR", "cosine", "max |d|"});
  for (const OutputComparison& o : c.outputs)
    t.add({printable(o.name), decibel(o.sqnr_db), fmt::format("{:.5f}", o.cosine),
           fmt::format("{:.3g}", o.max_abs)});
  out += t.text();
  if (c.accuracy_a && c.accuracy_b) {
    Table a({"accuracy", "original", "compressed", "change", "95 % interval"});
    const double change = c.accuracy_b->top1 - c.accuracy_a->top1;
    a.add({"top-1", percent(c.accuracy_a->top1, 2), percent(c.accuracy_b->top1, 2),
           fmt::format("{:+.2f} %", 100 * change),
           c.top1_delta_ci95 ? fmt::format("[{:+.2f}, {:+.2f}]", 100 * c.top1_delta_ci95->first,
                                           100 * c.top1_delta_ci95->second)
                             : ""});
    if (c.accuracy_a->top5 && c.accuracy_b->top5)
      a.add({"top-5", percent(*c.accuracy_a->top5, 2), percent(*c.accuracy_b->top5, 2),
             fmt::format("{:+.2f} %", 100 * (*c.accuracy_b->top5 - *c.accuracy_a->top5)), ""});
    out += a.text();
  }
  if (c.classifier)
    out += fmt::format(
        "  same label  {} of {} samples, largest change of the label's probability {:.2g}\n",
        percent(c.top1_agree), c.n, c.max_probability_change);
  return out;
}

}  // namespace tersor::cli
