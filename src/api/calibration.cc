#include "api/calibration.h"

#include <algorithm>
#include <chrono>

#include "api/input_check.h"
#include "base/error.h"
#include "quant/partial.h"
#include "tersor/session.h"

namespace tersor::api {
namespace {

constexpr int64_t kPerChannelOpset = 13, kFourBitOpset = 21;

ir::Model float_model(const Model& model, bool requantize) {
  const Model::Impl& impl = model.impl();
  const int64_t found = quant::quantize_nodes(impl.model);
  if (found == 0) return impl.model;
  if (!requantize)
    throw Error(ErrorKind::kInput, "E30",
                fmt::format("{} is already quantized ({} quantization nodes)",
                            base::quoted(impl.name), found),
                "start from the float model, or pass --requantize to dequantize first");
  return quant::remove_quantization(impl.model);
}

// Weights that are still in the file, apart from whoever else has the model: they come and go as
// they are needed.
void fetch_anew(ir::Model& model) {
  for (ir::Value& v : model.graph.values)
    if (v.constant && v.constant->buffer())
      if (auto buffer = v.constant->buffer()->fetching_anew())
        v.constant = Tensor(v.constant->dtype(), v.constant->dims(), std::move(buffer),
                            v.constant->offset());
}

quant::Equalize parse_equalize(const std::string& text) {
  if (text == "auto") return quant::Equalize::kAuto;
  if (text == "on") return quant::Equalize::kOn;
  if (text == "off") return quant::Equalize::kOff;
  throw Error(ErrorKind::kUsage, "E50", "unknown choice " + base::quoted(text) + " for equalize",
              "auto, on or off");
}

}  // namespace

Prepared prepare(const Model& model, bool per_channel, const std::string& equalize, bool requantize,
                 int threads, const quant::Target& target, DType weights) {
  const quant::Equalize mode = parse_equalize(equalize);
  Prepared p;
  p.model = float_model(model, requantize);
  fetch_anew(p.model);
  quant::check_weights(p.model, threads);
  passes::Options simplify;
  simplify.min_opset = weights == DType::kInt4 ? kFourBitOpset : kPerChannelOpset;
  p.report = passes::simplify(p.model, simplify);
  if (p.model.opset() < simplify.min_opset)
    throw Error(
        ErrorKind::kUnsupported, "E32",
        fmt::format(
            "the model uses opset {}, and cannot be raised to {}, which {} needs: {}",
            p.model.opset(), simplify.min_opset, tensor::name(weights),
            p.report.notes.empty() ? "an operator changed its meaning" : p.report.notes[0]));
  quant::check_opset(p.model, target);
  quant::check_weights(p.model, threads);
  p.equalizable = quant::equalizable(p.model);
  p.equalized = quant::equalize(p.model, mode, per_channel, threads);
  p.settings = fmt::format("equalize={}{}{}", equalize,
                           mode == quant::Equalize::kOff ? ""
                           : per_channel                 ? " per-channel"
                                                         : " per-tensor",
                           requantize ? " requantize" : "");
  return p;
}

void unload(const ir::Model& model) {
  for (const ir::Value& v : model.graph.values)
    if (v.constant && v.constant->buffer()) v.constant->buffer()->unload();
}

std::map<std::string, int> all_points(const ir::Model& prepared) {
  std::map<std::string, int> all;
  std::vector<const quant::Target*> seen;
  for (const quant::Target* target : quant::all_targets()) {
    // Many agree in what they store.
    if (std::ranges::any_of(seen, [&](auto* t) { return quant::stores_alike(*t, *target); }))
      continue;
    seen.push_back(target);
    quant::Recipe recipe;
    recipe.target = target;
    for (const auto& [name, axis] : quant::points(prepared, recipe)) {
      int& point = all[name];
      if (axis != 0) point = axis;
    }
  }
  return all;
}

Data limited(const Data& data, int64_t samples) {
  Data some = data;
  if (some.limit == 0 || (samples > 0 && samples < some.limit)) some.take(samples);
  return some;
}

Gathered gather(const Model& model, const Prepared& prepared, const Data& data,
                const CalibrateOptions& options, std::map<std::string, int> points,
                bool histograms) {
  const auto samples = open(limited(data, options.samples), prepared.model);
  calib::CollectOptions collect{.threads = options.threads,
                                .keep_interrupted = options.checkpoint,
                                .histograms = histograms,
                                .unload = true};
  collect.advance = advance_of(options.progress, "calibrate");
  unload(prepared.model);
  const auto start = std::chrono::steady_clock::now();
  calib::Collected collected;
  try {
    collected = calib::collect(
        options.partial ? quant::observable_part(prepared.model, points) : prepared.model, points,
        *samples, collect);
  } catch (Error& error) {
    if (error.code() == "E10" && !options.partial)
      error.suggest("--partial quantizes what comes before it and leaves the rest in float");
    throw;
  }
  Gathered g;
  g.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  g.statistics = std::move(collected.statistics);
  g.statistics.model = model.sha256();
  g.statistics.settings = prepared.settings;
  g.statistics.data = samples->summary();
  g.statistics.version = version();
  g.guessed = samples->guessed();
  g.interrupted = collected.interrupted;
  for (calib::Warning& w : collected.warnings)
    g.warnings.push_back({std::move(w.code), std::move(w.text)});
  if (!options.partial && !g.interrupted)
    if (auto warning = check_inputs(model, data, false, options.threads))
      g.warnings.push_back(*std::move(warning));
  return g;
}

Data held_out(const Data& data, const QuantizeOptions& options, int64_t wanted,
              const ir::Model& model, std::vector<Warning>& warnings) {
  Data unseen = limited(data, options.samples);
  if (options.statistics) return unseen.take(wanted);
  if (open(unseen, model)->total() > unseen.limit) return unseen.rest(wanted);
  warnings.push_back({"W26", "compared on calibration samples: there are no others"});
  return unseen.take(wanted);
}

Gathered gather(const Model& model, const Prepared& prepared, const Data& data,
                const QuantizeOptions& options, const quant::Recipe& recipe) {
  if (options.statistics) {
    Gathered given;
    given.statistics = options.statistics->impl().statistics;
    return given;
  }
  CalibrateOptions calibrate;
  calibrate.partial = options.partial;
  calibrate.samples = options.samples;
  calibrate.threads = options.threads;
  calibrate.progress = options.progress;
  return gather(model, prepared, data, calibrate, quant::points(prepared.model, recipe),
                options.details || recipe.calibrator.method->needs_histogram);
}

stats::Statistics chosen(const stats::Statistics& statistics, const Model& model,
                         const Prepared& prepared, const quant::Recipe& recipe, bool partial,
                         bool histograms) {
  const auto refuse = [](std::string sentence, const char* help) {
    throw Error(ErrorKind::kInput, "E25", std::move(sentence), help);
  };
  constexpr size_t kDigits = 12;
  const std::string sha256 = model.sha256();
  if (!statistics.model.empty() && statistics.model != sha256)
    refuse(fmt::format(
               "the statistics belong to another model: theirs has sha256 {}..., this one {}...",
               base::printable(statistics.model.substr(0, kDigits)), sha256.substr(0, kDigits)),
           "calibrate this model: 'tersor calibrate'");
  if (!statistics.settings.empty() && statistics.settings != prepared.settings)
    refuse(fmt::format("the statistics were gathered with {}, this run has {}",
                       base::quoted(statistics.settings), base::quoted(prepared.settings)),
           "pass the same options to both, or calibrate again");
  stats::Statistics out;
  out.samples = statistics.samples;
  out.synthetic = statistics.synthetic;
  out.data = statistics.data;
  for (const auto& [name, axis] : quant::points(prepared.model, recipe)) {
    const auto it = statistics.tensors.find(name);
    if (it == statistics.tensors.end()) {
      if (partial) continue;
      refuse(fmt::format("the statistics say nothing about {}", base::quoted(name)),
             "they are of another version of tersor: calibrate again");
    }
    stats::TensorStats& t = out.tensors[name] = it->second;
    if (axis == 0) t.channels = {};
    if (!histograms && !recipe.calibrator.method->needs_histogram) t.histogram = {};
  }
  return out;
}

}  // namespace tersor::api
