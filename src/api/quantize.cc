#include "tersor/quantize.h"

#include <algorithm>
#include <chrono>

#include "api/impl.h"
#include "base/error.h"
#include "calib/collect.h"
#include "eval/report/describe.h"
#include "passes/pipeline.h"
#include "quant/algorithms/equalize.h"
#include "quant/decisions.h"
#include "quant/explain/notes.h"
#include "quant/partial.h"

namespace tersor {
namespace {

constexpr int64_t kPerChannelOpset = 13;
constexpr size_t kSourceDigits = 16;     // of the float model's hash, in notes
constexpr int64_t kChangedSamples = 20;  // in a report

calib::Advance advance_of(const Progress& progress, const char* stage) {
  if (!progress) return {};
  return [&progress, stage](int64_t done, int64_t total) { return progress(stage, done, total); };
}

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

quant::Equalize parse_equalize(const std::string& text) {
  if (text == "auto") return quant::Equalize::kAuto;
  if (text == "on") return quant::Equalize::kOn;
  if (text == "off") return quant::Equalize::kOff;
  throw Error(ErrorKind::kUsage, "E50", "unknown choice " + base::quoted(text) + " for equalize",
              "auto, on or off");
}

std::string recipe_text(const quant::Recipe& recipe, bool equalized) {
  std::string text =
      fmt::format("int8 {} {}{}{}", stats::to_string(recipe.calibrator),
                  recipe.per_channel ? "per-channel" : "per-tensor",
                  recipe.bias_correct ? " bias-correct" : "", equalized ? " equalize" : "");
  if (recipe.target->name != std::string_view("any"))
    text += fmt::format(" target={}", recipe.target->name);
  return text;
}

}  // namespace

QuantizeResult quantize(const Model& model, const Data& data, const QuantizeOptions& options) {
  const quant::Recipe recipe{stats::parse_calibrator(options.calibrator), options.per_channel,
                             options.bias_correct, options.keep,
                             &quant::find_target(options.target)};
  const quant::Equalize equalize = parse_equalize(options.equalize);
  ir::Model prepared = float_model(model, options.requantize);
  quant::check_weights(prepared);
  passes::Options simplify;
  simplify.min_opset = kPerChannelOpset;
  const passes::Report report = passes::simplify(prepared, simplify);
  if (prepared.opset() < kPerChannelOpset)
    throw Error(
        ErrorKind::kUnsupported, "E32",
        fmt::format("the model uses opset {}, and cannot be raised to {}, which int8 needs: {}",
                    prepared.opset(), kPerChannelOpset,
                    report.notes.empty() ? "an operator changed its meaning" : report.notes[0]));

  quant::check_opset(prepared, *recipe.target);
  quant::check_weights(prepared);

  const int64_t equalizable = quant::equalizable(prepared);
  const auto equalized = quant::equalize(prepared, equalize, options.per_channel);
  QuantizeResult result(model, api::wrap(prepared));
  result.equalizable = equalizable;
  for (const quant::Equalized& e : equalized)
    result.equalized.push_back(
        {e.first, e.second, e.channels, e.changed, e.smallest, e.largest, e.gain_db});
  result.simplified = passes::to_string(report);
  result.nodes_before = report.nodes_before;
  result.nodes_after = report.nodes_after;

  Data calibration = data;
  if (calibration.limit == 0 || (options.samples > 0 && options.samples < calibration.limit))
    calibration.take(options.samples);
  const auto samples = api::open(calibration, prepared);
  result.data_summary = samples->summary();
  result.data_guessed = samples->guessed();
  result.synthetic = samples->synthetic();

  std::map<std::string, int> points = quant::points(prepared, recipe);
  const auto start = std::chrono::steady_clock::now();
  calib::CollectOptions collect{.threads = options.threads,
                                .advance = advance_of(options.progress, "calibrate")};
  calib::Collected collected;
  try {
    collected =
        calib::collect(options.partial ? quant::observable_part(prepared, points) : prepared,
                       points, *samples, collect);
  } catch (Error& error) {
    if (error.code() == "E10" && !options.partial)
      error.suggest("--partial quantizes what comes before it and leaves the rest in float");
    throw;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.calibration_samples = static_cast<int64_t>(collected.statistics.samples);
  for (const calib::Warning& w : collected.warnings) result.warnings.push_back({w.code, w.text});
  for (const std::string& note : report.notes) result.warnings.push_back({"W31", note});

  const quant::Decisions decisions = quant::decide(prepared, collected.statistics, recipe);
  eval::describe(prepared, decisions, collected.statistics, options.details, result);
  if (result.quantized == 0) result.warnings.push_back({"W30", "no layer could be quantized"});
  ir::Model compressed = quant::apply(prepared, decisions);
  result.recipe = recipe_text(recipe, !equalized.empty());
  quant::Notes notes = quant::make_notes(compressed, decisions, collected.statistics);
  notes.version = version();
  notes.recipe = result.recipe;
  notes.source = model.sha256().substr(0, kSourceDigits);
  notes.data = result.data_summary;
  quant::write_notes(compressed, notes);
  result.model = api::wrap(std::move(compressed));
  if (options.verify == 0 || options.partial) return result;

  Data unseen = calibration;
  unseen.rest(options.verify);
  if (calibration.limit <= 0 || calibration.limit >= samples->total()) {
    unseen = calibration;
    unseen.take(options.verify);
    result.warnings.push_back({"W26", "compared on calibration samples: there are no others"});
  }
  CompareOptions compare_options;
  compare_options.threads = options.threads;
  compare_options.progress = options.progress;
  compare_options.layers = options.details;
  compare_options.most_changed = options.details ? kChangedSamples : 0;
  // Layers are compared in the units that channels have now; the float function is the same.
  result.comparison =
      compare(options.details ? result.prepared : model, result.model, unseen, compare_options);
  constexpr double kPoorDb = 10;
  for (const OutputComparison& out : result.comparison->outputs)
    if (out.sqnr_db < kPoorDb)
      result.warnings.push_back(
          {"W32", fmt::format("output {} is far from the original, {:.1f} dB: 'tersor compare "
                              "--layers' shows where it begins",
                              base::quoted(out.name), out.sqnr_db)});
  return result;
}

}  // namespace tersor
