#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "data_options.h"
#include "progress.h"
#include "render.h"

namespace tersor::cli {
namespace {

struct Options {
  std::string model, output, target, io = "float";
  DataOptions data;
  ConvertOptions convert;
  bool force = false;
};

std::string counted(int64_t n, const char* noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

// model.onnx -> model.WHAT.onnx
std::string beside(const std::string& model, const std::string& what) {
  return model == "-"
             ? "-"
             : std::filesystem::path(model).replace_extension().string() + "." + what + ".onnx";
}

// A quantized model for another runtime.
int retarget_verb(Options& o, const Common& common) {
  check_choice("target", o.target, target_names());
  if (o.output.empty()) o.output = beside(o.model, o.target);
  if (o.output != "-") check_output(o.output, o.force);
  const Model original = Model::load(o.model);
  const RetargetResult r = retarget(original, o.target);
  const std::vector<Finding> findings = check_target(r.model, o.target);
  r.model.save(o.output, o.force);
  if (o.output == "-") return 0;
  std::optional<Comparison> comparison;
  if (o.data.given() && o.convert.verify > 0) {
    ProgressBar bar(common.quiet);
    CompareOptions compare_options;
    compare_options.threads = common.threads;
    compare_options.progress = bar.callback();
    comparison =
        compare(original, r.model, Data(o.data.data).take(o.convert.verify), compare_options);
    print_warnings(comparison->warnings, common);
  }
  const int code = comparison && !comparison->passed ? 1 : 0;
  if (common.json) {
    Json j = report(common);
    j["model"] = {
        {"path", o.model}, {"sha256", original.sha256()}, {"bytes", original.file_bytes()}};
    j["result"] = {{"path", o.output},
                   {"sha256", r.model.sha256()},
                   {"bytes", r.model.file_bytes()},
                   {"target", o.target}};
    j["values"] = r.values;
    j["moved"] = r.moved;
    j["biases_rounded"] = r.biases;
    j["findings"] = findings.size();
    if (comparison) j["compare"] = to_json(*comparison);
    j["exit"] = code;
    print(j);
    return code;
  }
  std::string text = fmt::format("convert    {} for {}, same scales; {} with another zero point\n",
                                 counted(r.values, "value"), o.target, r.moved);
  if (r.biases > 0)
    text +=
        fmt::format("           float biases of {} rounded, by half a unit of the sums at most\n",
                    counted(r.biases, "layer"));
  if (comparison) text += comparison_text(*comparison, true);
  if (!findings.empty())
    text += fmt::format("next:  tersor inspect {} --target {}  ({})\n", printable(o.output),
                        o.target, counted(static_cast<int64_t>(findings.size()), "finding"));
  print(text + fmt::format("wrote {}\n", printable(o.output)));
  return code;
}

int convert_verb(Options& o, const Common& common) {
  if (!o.target.empty()) return retarget_verb(o, common);
  if (o.io != "float" && o.io != "half") fail_usage("--io is 'half' or 'float'");
  o.convert.io = o.io == "half";
  if (o.output.empty()) o.output = beside(o.model, o.convert.to);
  if (o.output != "-") check_output(o.output, o.force);
  const Model original = Model::load(o.model);
  ProgressBar bar(common.quiet);
  o.convert.threads = common.threads;
  o.convert.progress = bar.callback();
  const std::optional<Data> data = o.data.given() ? std::optional(o.data.data) : std::nullopt;
  const ConvertResult r = convert(original, data, o.convert);
  r.model.save(o.output, o.force);
  std::vector<Warning> warnings = r.warnings;
  if (!data && o.convert.to != "fp32")
    warnings.push_back({"W40", "not compared, and ranges of values not measured: pass --data"});
  if (r.comparison)
    for (const Warning& w : r.comparison->warnings) warnings.push_back(w);
  print_warnings(warnings, common);
  const int code = r.comparison && !r.comparison->passed ? 1 : 0;
  if (o.output == "-") return code;
  const uint64_t before = original.file_bytes(), after = r.model.file_bytes();
  if (common.json) {
    Json j = report(common);
    j["model"] = {{"path", o.model}, {"sha256", original.sha256()}, {"bytes", before}};
    j["result"] = {
        {"path", o.output}, {"sha256", r.model.sha256()}, {"bytes", after}, {"type", o.convert.to}};
    j["converted"] = r.converted;
    j["casts"] = r.casts;
    j["stored"] = r.stored;
    j["kept"] = Json::array();
    for (const KeptNode& k : r.kept)
      j["kept"].push_back({{"node", k.node}, {"op", k.op}, {"reason", k.reason}});
    if (r.comparison) j["compare"] = to_json(*r.comparison);
    j["warnings"] = to_json(warnings);
    j["exit"] = code;
    print(j);
    return code;
  }
  std::string text = "convert    ";
  if (o.convert.to == "fp32")
    text += "back to fp32\n";
  else if (o.convert.storage_only)
    text += fmt::format("{} stored as {}, computed in float32\n", counted(r.stored, "weight"),
                        o.convert.to);
  else
    text += fmt::format("{} to {}, {}\n", counted(r.converted, "node"), o.convert.to,
                        counted(r.casts, "Cast"));
  constexpr size_t kListed = 50;
  for (size_t i = 0; i < std::min(kListed, r.kept.size()); ++i)
    text += fmt::format("  kept in float32: {} ({}): {}\n", printable(r.kept[i].node),
                        printable(r.kept[i].op), printable(r.kept[i].reason));
  if (r.kept.size() > kListed)
    text += fmt::format("  and {} more; --json lists them all\n", r.kept.size() - kListed);
  if (r.comparison) text += comparison_text(*r.comparison, true);
  text += fmt::format("  size  {} -> {}  ({:.3f})\n", bytes_text(before), bytes_text(after),
                      before ? static_cast<double>(after) / static_cast<double>(before) : 0.0);
  if (r.comparison)
    for (const std::string& sentence : r.comparison->broken)
      text += "not met: " + printable(sentence) + "\n";
  if (code == 0 && r.comparison)
    text += fmt::format("ok: the {} model answers as the original\n", o.convert.to);
  print(text + fmt::format("wrote {}\n", printable(o.output)));
  return code;
}

}  // namespace

std::function<int()> declare_convert(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file, - for standard input")->required();
  CLI::Option* to = app.add_option("--to", o->convert.to, "fp16 (default), bf16, fp32");
  app.add_option("--target", o->target,
                 "a quantized model for another runtime, without calibrating again: any, "
                 "onnxruntime, openvino, tensorrt, tersor, tersor-avx2")
      ->excludes(to);
  app.add_option("-o,--output", o->output,
                 "file to write; MODEL.fp16.onnx beside the model otherwise");
  app.add_flag("--force", o->force, "replace an existing file");
  add_data(app, o->data, false);
  app.add_option("--io", o->io, "half: inputs and outputs change their type too");
  app.add_flag("--storage-only", o->convert.storage_only,
               "half the size on disk; computed in float32");
  app.add_flag("--naive", o->convert.naive, "without a look at the numbers, for contrast");
  app.add_option("--keep", o->convert.keep,
                 "leave these nodes or operators in float32 (a glob; repeat it for more)")
      ->allow_extra_args(false);
  app.add_option("--max-change", o->convert.max_change,
                 "of a label's probability (0.001; bf16: 0.01): with data, nodes that cost more "
                 "stay in float32; 1: none for that");
  app.add_option("-n,--samples", o->convert.samples, "samples to take the ranges from (50)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_option("--verify", o->convert.verify, "samples to compare on (50); 0: no comparison")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  add_threads(app, common);
  return [o, &common] { return convert_verb(*o, common); };
}

}  // namespace tersor::cli
