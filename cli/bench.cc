#include <fmt/format.h>

#include <charconv>

#include "data_options.h"
#include "render.h"

namespace tersor::cli {
namespace {

struct Options {
  std::vector<std::string> models, sizes;
  std::string threads = "1", format = "table";
  BenchOptions bench;
  DataOptions data;
  bool profile = false;
};

int64_t whole(std::string_view text, const char* what) {
  int64_t v = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || v < 0)
    fail_usage(fmt::format("{} is no number: '{}'", what, printable(std::string(text))));
  return v;
}

std::string rows_text(const Options& o, const std::vector<Timing>& rows) {
  const bool csv = o.format == "csv", md = o.format == "md";
  const std::vector<std::string> header{"model",  "threads", "batch",   "p50 ms",
                                        "p90 ms", "per s",   "vs first"};
  std::vector<std::vector<std::string>> cells;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Timing& t = rows[i];
    const Timing& first = rows[i - i % o.models.size()];
    cells.push_back({printable(t.model), fmt::format("{}", t.threads), fmt::format("{}", t.batch),
                     fmt::format("{:.3f}", t.p50_ms), fmt::format("{:.3f}", t.p90_ms),
                     fmt::format("{:.1f}", 1e3 * static_cast<double>(t.batch) / t.p50_ms),
                     fmt::format("{:.2f}{}", first.p50_ms / t.p50_ms, csv ? "" : " x")});
  }
  if (!csv && !md) {
    Table table(header);
    for (auto& row : cells) table.add(std::move(row));
    return table.text("");
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i)
      text += (md ? (i ? " | " : "| ") : (i ? "," : "")) + row[i];
    text += md ? " |\n" : "\n";
  };
  line(header);
  if (md) text += "|---|--:|--:|--:|--:|--:|--:|\n";
  for (const auto& row : cells) line(row);
  return text;
}

int bench_verb(Options& o, const Common& common) {
  if (o.format != "table" && o.format != "md" && o.format != "csv")
    fail_usage(fmt::format("unknown format '{}'", printable(o.format)), "formats: table, md, csv");
  o.bench.threads.clear();
  for (size_t from = 0; from <= o.threads.size();) {
    const size_t comma = std::min(o.threads.find(',', from), o.threads.size());
    const int64_t n = whole(std::string_view(o.threads).substr(from, comma - from), "--threads");
    if (n > 1024) fail_usage("--threads is at most 1024");
    o.bench.threads.push_back(static_cast<int>(n));
    from = comma + 1;
  }
  for (const std::string& size : o.sizes) {
    const size_t at = size.find('=');
    if (at == std::string::npos)
      fail_usage(fmt::format("--size wants NAME=NUMBER, not '{}'", printable(size)));
    o.bench.symbols[size.substr(0, at)] = whole(std::string_view(size).substr(at + 1), "--size");
  }
  if (o.data.given()) o.bench.data = o.data.data;
  std::vector<std::pair<std::string, Model>> models;
  for (const std::string& path : o.models) models.emplace_back(path, Model::load(path));
  Json j = report(common);
  std::string text;
  const std::vector<Timing> rows = bench(models, o.bench);
  j["bench"] = Json::array();
  for (const Timing& t : rows) j["bench"].push_back(to_json(t));
  text = rows_text(o, rows);
  if (o.profile) {
    j["profile"] = Json::array();
    for (const auto& [path, model] : models) {
      const std::vector<LayerTiming> layers = profile(model, o.bench);
      double total = 0;
      for (const LayerTiming& l : layers) total += l.ms;
      Table table({"layer", "operator", "kernel", "ms", "share"});
      table.left(1).left(2);
      Json steps = Json::array();
      for (const LayerTiming& l : layers) {
        table.add({printable(l.node), printable(l.op), l.kernel, fmt::format("{:.4f}", l.ms),
                   percent(total > 0 ? l.ms / total : 0)});
        steps.push_back({{"node", l.node}, {"op", l.op}, {"kernel", l.kernel}, {"ms", l.ms}});
      }
      text += "\n" + printable(path) + "\n" + table.text();
      j["profile"].push_back({{"model", path}, {"steps", std::move(steps)}});
    }
  }
  if (common.json) {
    print(j);
    return 0;
  }
  const Host h = host();
  std::string isa;
  for (const std::string& name : h.isa) isa += " " + name;
  double spread = 0;
  for (const Timing& t : rows) spread = std::max(spread, t.spread);
  if (o.format == "table")
    text += fmt::format("{}:{}. Interleaved rounds, {:g} s each, spread {}\n", h.cpu, isa,
                        o.bench.seconds, percent(spread));
  print(text);
  return 0;
}

}  // namespace

std::function<int()> declare_bench(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("models", o->models, "ONNX files")->required();
  app.add_option("--threads", o->threads, "one number or a list: 1,2 (1)");
  app.add_option("--batch", o->bench.batch, "samples at once (1)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_option("--seconds", o->bench.seconds, "for each model (3)")
      ->check(CLI::Range(0.01, 86400.0));
  add_data(app, o->data, false);
  app.add_option("--size", o->sizes, "NAME=NUMBER for a named dimension (128 for lengths)");
  app.add_option("--format", o->format, "table, md, csv");
  app.add_flag("--profile", o->profile, "the time of every step");
  return [o, &common] { return bench_verb(*o, common); };
}

}  // namespace tersor::cli
