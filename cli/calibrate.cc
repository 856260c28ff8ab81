#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "data_options.h"
#include "progress.h"
#include "render.h"

namespace tersor::cli {
namespace {

struct Options {
  std::string model, output, shard;
  DataOptions data;
  CalibrateOptions calibrate;
  std::vector<std::string> merge;
  bool force = false, per_tensor = false;
};

// "2/8": the second of eight parts.
void read_shard(const std::string& text, Data& data) {
  int64_t part = 0, parts = 0;
  const char *begin = text.data(), *end = begin + text.size();
  const auto [slash, error] = std::from_chars(begin, end, part);
  const bool split = error == std::errc() && slash != end && *slash == '/';
  const auto [last, bad] = split ? std::from_chars(slash + 1, end, parts)
                                 : std::from_chars_result{begin, std::errc::invalid_argument};
  if (bad != std::errc() || last != end || part < 1 || part > parts)
    fail_usage(fmt::format("bad part '{}'", printable(text)), "--shard 2/8 is the second of eight");
  data.shard(part - 1, parts);
}

Json statistics_json(const std::string& path, const Statistics& s) {
  return {{"path", path},
          {"samples", s.samples()},
          {"values", s.values()},
          {"model", s.model()},
          {"settings", s.settings()},
          {"data", s.data()},
          {"synthetic", s.synthetic()}};
}

std::string wrote(const std::string& path, const Statistics& s) {
  return fmt::format("wrote {}  ({} values, {} samples)\n", printable(path), s.values(),
                     s.samples());
}

int merge_verb(const Options& o, const Common& common) {
  if (!o.model.empty() || o.data.given())
    fail_usage("--merge adds up files of statistics: it takes no model and no data");
  if (o.output.empty()) fail_usage("--merge needs -o", "-o all.stats.json");
  if (o.output != "-") check_output(o.output, o.force);
  Statistics sum = Statistics::load(o.merge[0]);
  for (size_t i = 1; i < o.merge.size(); ++i) {
    try {
      sum.merge(Statistics::load(o.merge[i]));
    } catch (Error& error) {
      error.add_frame("'" + printable(o.merge[i]) + "'");
      throw;
    }
  }
  sum.save(o.output, o.force);
  if (o.output == "-") return 0;
  if (common.json) {
    Json j = report(common);
    j["statistics"] = statistics_json(o.output, sum);
    j["merged"] = o.merge;
    j["exit"] = 0;
    print(j);
    return 0;
  }
  print(fmt::format("merge      {} files\n", o.merge.size()) + wrote(o.output, sum));
  return 0;
}

int calibrate_verb(Options& o, const Common& common) {
  if (!o.merge.empty()) return merge_verb(o, common);
  if (o.model.empty()) fail_usage("no model is given", "tersor calibrate model.onnx -d pictures/");
  check_choice("choice for --equalize", o.calibrate.equalize, {"auto", "on", "off"});
  if (!o.data.given())
    fail_usage("calibration needs samples of your own data: pass --data",
               "-d FOLDER takes pictures or arrays; -d random:32 tries it on noise");
  if (!o.shard.empty()) read_shard(o.shard, o.data.data);
  if (o.output.empty())
    o.output = o.model == "-"
                   ? "-"
                   : std::filesystem::path(o.model).replace_extension().string() + ".stats.json";
  if (o.output != "-") check_output(o.output, o.force);
  const Model model = Model::load(o.model);
  ProgressBar bar(common.quiet);
  o.calibrate.per_channel = !o.per_tensor;
  o.calibrate.threads = common.threads;
  o.calibrate.progress = bar.callback();
  const CalibrateResult r = calibrate(model, o.data.data, o.calibrate);
  if (r.interrupted && r.statistics.samples() == 0)
    throw Error(ErrorKind::kInterrupted, "E80", "interrupted before the first sample was done");
  r.statistics.save(o.output, o.force);
  print_warnings(r.warnings, common);
  const int code = r.interrupted ? 128 + caught_signal() : 0;
  if (o.output == "-") return code;
  if (common.json) {
    Json j = report(common);
    j["model"] = {{"path", o.model}, {"sha256", model.sha256()}, {"bytes", model.file_bytes()}};
    j["statistics"] = statistics_json(o.output, r.statistics);
    j["statistics"]["guessed"] = r.data_guessed;
    j["statistics"]["seconds"] = r.seconds;
    j["statistics"]["interrupted"] = r.interrupted;
    j["warnings"] = to_json(r.warnings);
    j["exit"] = code;
    print(j);
    return code;
  }
  std::string text = fmt::format("data       {} samples from {}, {}{}\n", r.statistics.samples(),
                                 printable(o.data.data.path), r.statistics.data(),
                                 r.data_guessed.empty() ? "" : " (" + r.data_guessed + ")");
  text += fmt::format("calibrate  {} values in {:.1f} s{}\n", r.statistics.values(), r.seconds,
                      r.interrupted ? ", interrupted: what was gathered is kept" : "");
  text += wrote(o.output, r.statistics);
  if (!r.interrupted)
    text += fmt::format("next:  tersor quantize {} --stats {}\n", printable(o.model),
                        printable(o.output));
  print(text);
  return code;
}

}  // namespace

std::function<int()> declare_calibrate(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file, - for standard input");
  add_data(app, o->data, false);
  app.add_option(
      "-o,--output", o->output,
      "file to write; MODEL.stats.json beside the model otherwise, - for standard output");
  app.add_flag("--force", o->force, "replace an existing file");
  app.add_option("-n,--samples", o->calibrate.samples, "samples, spread over the data (300)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_option("--shard", o->shard, "I/N: every N-th of these samples, from the I-th on");
  app.add_option("--merge", o->merge, "add up these files instead, of parts of the data")
      ->expected(1, 1 << 20);
  app.add_flag("--checkpoint", o->calibrate.checkpoint,
               "when interrupted, keep what was gathered until then");
  app.add_option("--equalize", o->calibrate.equalize, "auto (default), on, off: as for quantize");
  app.add_flag("--per-tensor", o->per_tensor, "as for quantize");
  app.add_flag("--partial", o->calibrate.partial, "around operators that the engine lacks");
  app.add_flag("--requantize", o->calibrate.requantize,
               "accept a quantized model: dequantize it first");
  add_threads(app, common);
  return [o, &common] { return calibrate_verb(*o, common); };
}

}  // namespace tersor::cli
