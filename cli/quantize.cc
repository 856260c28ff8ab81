#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "progress.h"
#include "recipe_options.h"
#include "render.h"
#include "search.h"

namespace tersor::cli {
namespace {

namespace fs = std::filesystem;

struct Options : RecipeOptions {
  std::string model, output, report;
  GoalOptions goal;
  std::optional<int64_t> verify;
  bool force = false, verbose = false;
  std::vector<std::string> fail_if;
};

std::string default_output(const std::string& model, const std::string& type) {
  if (model == "-") return "-";
  fs::path p(model);
  return p.replace_extension().string() + "." + type + ".onnx";
}

Json bins_json(const Bins& bins) {
  return {{"lo", number(bins.lo)}, {"hi", number(bins.hi)}, {"counts", bins.counts}};
}

Json tensor_json(const TensorDecision& t) {
  Json j{{"tensor", t.tensor},
         {"node", t.node},
         {"op", t.op},
         {"type", t.dtype},
         {"why", t.why},
         {"min", number(static_cast<double>(t.min))},
         {"max", number(static_cast<double>(t.max))},
         {"clip", {number(static_cast<double>(t.lo)), number(static_cast<double>(t.hi))}},
         {"scale", number(static_cast<double>(t.scale))},
         {"zero_point", t.zero_point},
         {"clipped_share", number(t.clipped_share)}};
  if (!t.histogram.counts.empty()) j["histogram"] = bins_json(t.histogram);
  return j;
}

// Of its weights; of the values of a layer that has none.
std::string type_of(const LayerDecision& l) {
  if (!l.quantized) return "float32";
  return l.weights.empty() ? "int8" : l.weights;
}

Json layer_json(const LayerDecision& l) {
  Json j{{"node", l.node},
         {"op", l.op},
         {"type", type_of(l)},
         {"kept", l.quantized ? Json(nullptr) : Json(l.reason)}};
  if (!l.granularity.empty()) j["granularity"] = l.granularity;
  if (!l.weights.empty()) j["rounding"] = l.learned ? "learned" : "nearest";
  if (l.weight_sqnr_db) j["weight_sqnr_db"] = number(*l.weight_sqnr_db);
  if (l.bytes_before > 0) j["bytes"] = {l.bytes_before, l.bytes_after};
  if (!l.histogram.counts.empty()) j["weight_histogram"] = bins_json(l.histogram);
  if (l.scale > 0)
    j["activation"] = {
        {"tensor", l.tensor},
        {"min", number(static_cast<double>(l.min))},
        {"max", number(static_cast<double>(l.max))},
        {"clip", {number(static_cast<double>(l.lo)), number(static_cast<double>(l.hi))}},
        {"scale", number(static_cast<double>(l.scale))},
        {"zero_point", l.zero_point},
        {"clipped_share", number(l.clipped_share)}};
  return j;
}

Json quantize_json(const Options& o, const Common& common, const Model& original,
                   const QuantizeResult& r, const std::vector<Timing>& timings,
                   const std::vector<Warning>& warnings, int code) {
  Json j = report(common);
  const ModelInfo info = original.info();
  j["model"] = {{"path", o.model},
                {"sha256", original.sha256()},
                {"opset", info.opset},
                {"bytes", original.file_bytes()},
                {"parameters", info.parameters},
                {"macs", info.macs}};
  j["model"]["inputs"] = Json::array();
  for (const Port& p : info.inputs) j["model"]["inputs"].push_back(to_json(p));
  j["result"] = {
      {"path", o.output},           {"sha256", r.model.sha256()},  {"bytes", r.model.file_bytes()},
      {"type", o.quantize.type},    {"recipe", o.quantize.recipe}, {"format", "qdq"},
      {"target", o.quantize.target}};
  j["simplified"] = {{"passes", r.simplified}, {"nodes", {r.nodes_before, r.nodes_after}}};
  j["calibration"] = {{"source", o.stats.empty() ? o.data.data.path : o.stats},
                      {"samples", r.calibration_samples},
                      {"method", o.quantize.calibrator},
                      {"synthetic", r.synthetic},
                      {"seconds", r.seconds},
                      {"data", r.data_summary},
                      {"guessed", r.data_guessed}};
  j["equalize"] = {
      {"mode", o.quantize.equalize}, {"pairs_examined", r.equalizable}, {"pairs", Json::array()}};
  for (const EqualizedPair& e : r.equalized)
    j["equalize"]["pairs"].push_back({{"first", e.first},
                                      {"second", e.second},
                                      {"channels", e.channels},
                                      {"changed", e.changed},
                                      {"exponents", {e.smallest, e.largest}},
                                      {"gain_db", number(e.gain_db)}});
  j["layers"] = Json::array();
  j["kept"] = Json::array();
  for (const LayerDecision& l : r.layers) {
    j["layers"].push_back(layer_json(l));
    if (!l.quantized) j["kept"].push_back({{"node", l.node}, {"reason", l.reason}});
  }
  j["tensors"] = Json::array();
  for (const TensorDecision& t : r.tensors) j["tensors"].push_back(tensor_json(t));
  if (r.search) j["search"] = to_json(*r.search);
  if (r.comparison) j["compare"] = to_json(*r.comparison);
  j["bench"] = Json::array();
  for (const Timing& t : timings) j["bench"].push_back(to_json(t));
  j["warnings"] = to_json(warnings);
  j["exit"] = code;
  return j;
}

std::string verdict_table(const Options& o, const Model& original, const QuantizeResult& r,
                          const std::vector<Timing>& timings) {
  const uint64_t before = original.file_bytes(), after = r.model.file_bytes();
  const auto ratio = [](double a, double b) { return b > 0 ? a / b : 0.0; };
  Table t({"", "float32", o.quantize.type, "change"});
  t.add({"size", bytes_text(before), bytes_text(after),
         fmt::format("{:.2f} x smaller",
                     ratio(static_cast<double>(before), static_cast<double>(after)))});
  if (timings.size() >= 2)
    t.add({"latency (1 thread)", fmt::format("{:.3g} ms", timings[0].p50_ms),
           fmt::format("{:.3g} ms", timings[1].p50_ms),
           fmt::format("{:.2f} x faster", ratio(timings[0].p50_ms, timings[1].p50_ms))});
  if (r.comparison) {
    const Comparison& c = *r.comparison;
    if (c.classifier)
      t.add({"same label", "", percent(c.top1_agree), fmt::format("of {} samples", c.n)});
    if (c.accuracy_a && c.accuracy_b)
      t.add({"top-1 accuracy", percent(c.accuracy_a->top1, 2), percent(c.accuracy_b->top1, 2),
             fmt::format("{:+.2f} %", 100 * (c.accuracy_b->top1 - c.accuracy_a->top1))});
    double worst = HUGE_VAL;
    for (const OutputComparison& out : c.outputs) worst = std::min(worst, out.sqnr_db);
    t.add({"worst output SQNR", "", decibel(worst), ""});
  }
  return t.text();
}

std::string layers_text(const QuantizeResult& r) {
  Table t({"layer", "operator", "type", "weights", "covers", "scale", "zero", "clipped", ""});
  t.left(1).left(2).left(8);
  for (const LayerDecision& l : r.layers)
    t.add({printable(l.node), printable(l.op), type_of(l),
           l.weight_sqnr_db ? decibel(*l.weight_sqnr_db) : "",
           l.scale > 0 ? fmt::format("[{:.4g}, {:.4g}]", l.lo, l.hi) : "",
           l.scale > 0 ? fmt::format("{:.4g}", l.scale) : "",
           l.scale > 0 ? fmt::format("{}", l.zero_point) : "",
           l.scale > 0 ? percent(l.clipped_share, 3) : "", printable(l.reason)});
  return t.text();
}

std::string equalize_text(const QuantizeResult& r, bool verbose) {
  if (r.equalized.empty()) return "";
  double most = 0;
  for (const EqualizedPair& e : r.equalized) most = std::max(most, e.gain_db);
  std::string text = fmt::format(
      "equalize   {} of {} pairs of layers had channels of unlike size between them: brought "
      "together by powers of 2, same float results (up to {:.0f} dB less error predicted)\n",
      r.equalized.size(), r.equalizable, most);
  if (!verbose) return text;
  for (const EqualizedPair& e : r.equalized)
    text +=
        fmt::format("  {} -> {}: {} of {} channels, by 2^{}..2^{}, {:.1f} dB\n", printable(e.first),
                    printable(e.second), e.changed, e.channels, e.smallest, e.largest, e.gain_db);
  return text;
}

// Of the original, the result and, where layers are in float for the accuracy, the model without.
std::vector<Timing> timed(const Options& o, const Model& original, const QuantizeResult& r) {
  BenchOptions options;
  options.seconds = 0.3;
  options.data = o.data.data;
  const std::string& type = o.quantize.type;
  std::vector<std::pair<std::string, Model>> models{{"float32", original}, {type, r.model}};
  if (r.search && r.search->all_8_bits) models.emplace_back("all " + type, *r.search->all_8_bits);
  return bench(models, options);
}

// Of how many layers the rounding was learned.
std::string learned_text(const QuantizeResult& r) {
  const auto learned = std::ranges::count_if(r.layers, &LayerDecision::learned);
  if (learned == 0) return "";
  return fmt::format("; rounding learned in {}", learned == r.quantized
                                                     ? std::string("all of them")
                                                     : fmt::format("{} of them", learned));
}

int quantize_verb(Options& o, const Common& common) {
  finish_recipe(o, common);
  o.quantize.goal = goal_of(o.goal);
  o.quantize.verify = o.verify.value_or(o.quantize.goal ? 1000 : o.quantize.verify);
  if (!o.stats.empty() && !o.data.given()) {
    o.quantize.verify = 0;
  } else if (!o.data.given())
    fail_usage(
        "static quantization needs samples of your own data: pass --data",
        "-d FOLDER takes pictures or arrays; without data 'tersor inspect' shows what can be "
        "quantized, and -d random:32 tries it on noise");
  if (o.output.empty()) o.output = default_output(o.model, o.quantize.type);
  if (o.output != "-") check_output(o.output, o.force);
  ReportFiles files;
  if (!o.report.empty()) files = report_files(o.report, o.force);
  o.quantize.details = !o.report.empty();
  const Model original = Model::load(o.model);
  ProgressBar bar(common.quiet);
  o.quantize.progress = bar.callback();
  QuantizeResult r = quantize(original, o.data.data, o.quantize);
  const bool to_stdout = o.output == "-";
  r.model.save(o.output, o.force);

  const bool interrupted = r.search && r.search->stopped == "interrupted";
  std::vector<Timing> timings;
  if (!o.quantize.partial && o.quantize.verify > 0 && !to_stdout && !interrupted)
    timings = timed(o, original, r);
  std::vector<Warning> warnings = r.warnings;
  if (r.comparison)
    for (const Warning& w : r.comparison->warnings)
      if (std::ranges::none_of(warnings, [&](const Warning& x) { return x.code == w.code; }))
        warnings.push_back(w);
  const bool unmet = r.comparison ? !r.comparison->passed : r.search.has_value();
  const int code = interrupted ? 128 + caught_signal() : unmet ? 1 : 0;
  print_warnings(warnings, common);
  Json json;
  if (common.json || !o.report.empty())
    json = quantize_json(o, common, original, r, timings, warnings, code);
  if (!o.report.empty()) {
    Report page{.original = {o.model, original.sha256(), original.file_bytes()},
                .compressed = {o.output, r.model.sha256(), r.model.file_bytes()},
                .command = common.command,
                .recipe = r.recipe,
                .quantized = &r,
                .comparison = r.comparison ? &*r.comparison : nullptr,
                .timings = timings,
                .warnings = warnings};
    write_report(files, page, json, o.force);
  }
  if (to_stdout) return code;
  if (common.json) {
    print(json);
    return code;
  }
  std::string text =
      fmt::format("prepare    {}; {} -> {} nodes\n", r.simplified, r.nodes_before, r.nodes_after);
  text += equalize_text(r, o.verbose);
  text += fmt::format("data       {} samples from {}, {}{}\n", r.calibration_samples,
                      printable(o.stats.empty() ? o.data.data.path : o.stats), r.data_summary,
                      r.data_guessed.empty() ? "" : " (" + r.data_guessed + ")");
  text += fmt::format("calibrate  {} in {:.1f} s\n", o.quantize.calibrator, r.seconds);
  text += fmt::format("quantize   {} of {} layers with weights to {}, {}{}\n", r.quantized,
                      r.weighted, o.quantize.type,
                      o.quantize.per_channel ? "per channel" : "per tensor", learned_text(r));
  for (const LayerDecision& l : r.layers)
    if (!l.quantized)
      text += fmt::format("  kept in float32: {} ({}): {}\n", printable(l.node), printable(l.op),
                          l.reason);
  if (r.search) text += search_text(*r.search, timings);
  if (o.verbose) text += layers_text(r);
  if (r.comparison) text += fmt::format("verify     {} other samples\n", r.comparison->n);
  text += verdict_table(o, original, r, timings);
  text += fmt::format("wrote {}  ({})\n", printable(o.output), bytes_text(r.model.file_bytes()));
  if (!o.report.empty())
    text += fmt::format("wrote {}, {}\n", printable(files.html), printable(files.json));
  if (r.comparison) {
    for (const std::string& sentence : r.comparison->broken)
      text += "not met: " + printable(sentence) + "\n";
    if (r.comparison->passed)
      text += fmt::format("ok: the {} model answers as the original\n", o.quantize.type);
    text += fmt::format("next:  tersor compare {} {} -d {} --layers\n", printable(o.model),
                        printable(o.output), printable(o.data.data.path));
  }
  print(text);
  return code;
}

}  // namespace

std::function<int()> declare_quantize(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file, - for standard input")->required();
  add_recipe(app, *o);
  add_goal(app, o->goal);
  app.add_option(
      "-o,--output", o->output,
      "file to write; MODEL.int8.onnx (or int4) beside the model otherwise, - for standard output");
  app.add_flag("--force", o->force, "replace existing files");
  app.add_option("--verify", o->verify,
                 "other samples to compare on (50; 1000 with --max-drop); 0: no comparison")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  app.add_flag("--partial", o->quantize.partial, "leave operators that the engine lacks in float");
  app.add_option("--report", o->report,
                 "a page that shows all of it, FILE.html, and its JSON twin beside it");
  app.add_flag("-v,--verbose", o->verbose, "what was decided about every layer");
  add_threads(app, common);
  return [o, &common] { return quantize_verb(*o, common); };
}

}  // namespace tersor::cli
