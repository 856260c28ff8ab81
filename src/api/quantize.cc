#include "tersor/quantize.h"

#include <future>

#include "api/calibration.h"
#include "base/error.h"
#include "eval/report/describe.h"
#include "quant/explain/notes.h"

namespace tersor {
namespace {

constexpr size_t kSourceDigits = 16;     // of the float model's hash, in notes
constexpr int64_t kChangedSamples = 20;  // in a report

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
  // Meanwhile, on the other core.
  const auto hashed = std::async(std::launch::async, [&model] { model.sha256(); });
  const api::Prepared prepared = api::prepare(model, options.per_channel, options.equalize,
                                              options.requantize, *recipe.target);
  QuantizeResult result(model, api::wrap(prepared.model));
  result.equalizable = prepared.equalizable;
  for (const quant::Equalized& e : prepared.equalized)
    result.equalized.push_back(
        {e.first, e.second, e.channels, e.changed, e.smallest, e.largest, e.gain_db});
  result.simplified = passes::to_string(prepared.report);
  result.nodes_before = prepared.report.nodes_before;
  result.nodes_after = prepared.report.nodes_after;

  api::Gathered gathered;
  if (options.statistics) {
    gathered.statistics = options.statistics->impl().statistics;
  } else {
    CalibrateOptions calibrate;
    calibrate.partial = options.partial;
    calibrate.samples = options.samples;
    calibrate.threads = options.threads;
    calibrate.progress = options.progress;
    gathered = api::gather(model, prepared, data, calibrate,
                           options.details || recipe.calibrator.method->needs_histogram);
  }
  const stats::Statistics statistics =
      api::chosen(gathered.statistics, model, prepared, recipe, options.partial, false);
  result.data_summary = statistics.data;
  result.data_guessed = gathered.guessed;
  result.synthetic = statistics.synthetic;
  result.seconds = gathered.seconds;
  result.calibration_samples = static_cast<int64_t>(statistics.samples);
  result.warnings = std::move(gathered.warnings);
  for (const std::string& note : prepared.report.notes) result.warnings.push_back({"W31", note});

  const quant::Decisions decisions = quant::decide(prepared.model, statistics, recipe);
  eval::describe(prepared.model, decisions,
                 options.details ? api::chosen(gathered.statistics, model, prepared, recipe,
                                               options.partial, true)
                                 : statistics,
                 options.details, result);
  if (result.quantized == 0) result.warnings.push_back({"W30", "no layer could be quantized"});
  ir::Model compressed = quant::apply(prepared.model, decisions);
  api::unload(prepared.model);
  result.recipe = recipe_text(recipe, !prepared.equalized.empty());
  quant::Notes notes = quant::make_notes(compressed, decisions, statistics);
  notes.version = version();
  notes.recipe = result.recipe;
  notes.source = model.sha256().substr(0, kSourceDigits);
  notes.data = result.data_summary;
  quant::write_notes(compressed, notes);
  result.model = api::wrap(std::move(compressed));
  if (options.verify == 0 || options.partial || data.empty()) return result;

  Data unseen = api::limited(data, options.samples);
  if (api::open(unseen, prepared.model)->total() > unseen.limit) {
    unseen.rest(options.verify);
  } else {
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
