#include "tersor/quantize.h"

#include <future>

#include "api/calibration.h"
#include "api/recipe.h"
#include "api/search.h"
#include "base/error.h"
#include "eval/report/describe.h"
#include "quant/explain/notes.h"

namespace tersor {
namespace {

constexpr size_t kSourceDigits = 16;     // of the float model's hash, in notes
constexpr int64_t kChangedSamples = 20;  // in a report

std::string recipe_text(const quant::Recipe& recipe, bool equalized) {
  std::string text = fmt::format(
      "{} {} {}{}{}{}{}", tensor::name(recipe.weights), stats::to_string(recipe.calibrator),
      recipe.per_channel ? "per-channel" : "per-tensor", recipe.bias_correct ? " bias-correct" : "",
      recipe.gptq ? " gptq" : "", recipe.adaround ? " adaround" : "", equalized ? " equalize" : "");
  if (recipe.target->name != std::string_view("any"))
    text += fmt::format(" target={}", recipe.target->name);
  return text;
}

// A score is what the user goes by: a comparison beside it says how far outputs moved, and fails
// only where values are not finite.
void judge_by_score(const Search& search, Comparison& comparison) {
  comparison.broken.clear();
  if (!search.chosen)
    comparison.broken.push_back("there was no time for a score");
  else if (const Mix& mix = search.tried[*search.chosen]; !mix.holds)
    comparison.broken.push_back(
        fmt::format("score is {:.6g}, below {:.6g}", mix.value, search.limit));
  for (const OutputComparison& out : comparison.outputs)
    if (!out.finite)
      comparison.broken.push_back(
          fmt::format("output {} has values that are not finite where the original's are",
                      base::quoted(out.name)));
  comparison.passed = comparison.broken.empty();
}

}  // namespace

QuantizeResult quantize(const Model& model, const Data& data, const QuantizeOptions& given) {
  const QuantizeOptions options = given.settled();
  quant::Recipe recipe = api::recipe_of(options, data);
  const api::Prepared prepared =
      api::prepare(model, options.per_channel, options.equalize, options.requantize,
                   options.threads, *recipe.target, recipe.weights);
  QuantizeResult result(model, api::wrap(prepared.model));
  result.equalizable = prepared.equalizable;
  for (const quant::Equalized& e : prepared.equalized)
    result.equalized.push_back(
        {e.first, e.second, e.channels, e.changed, e.smallest, e.largest, e.gain_db});
  result.simplified = passes::to_string(prepared.report);
  result.nodes_before = prepared.report.nodes_before;
  result.nodes_after = prepared.report.nodes_after;

  // While the plan is made, which takes one core.
  const auto hashed = std::async(std::launch::async, [&model] { model.sha256(); });
  api::Gathered gathered = api::gather(model, prepared, data, options, recipe);
  const stats::Statistics statistics =
      api::chosen(gathered.statistics, model, prepared, recipe, options.partial, false);
  result.data_summary = statistics.data;
  result.data_guessed = gathered.guessed;
  result.synthetic = statistics.synthetic;
  result.seconds = gathered.seconds;
  result.calibration_samples = static_cast<int64_t>(statistics.samples);
  result.warnings = std::move(gathered.warnings);
  for (const std::string& note : prepared.report.notes) result.warnings.push_back({"W31", note});

  Data unseen;
  const bool verifies = options.verify > 0 && !options.partial && !data.empty();
  if (verifies)
    unseen = api::held_out(data, options, options.verify, prepared.model, result.warnings);
  quant::Decisions decisions = api::decide(prepared, statistics, recipe, data, options);
  CompareOptions compare_options;
  const bool scores = options.goal && options.goal->metric == "score";
  if (options.goal) {
    if (!verifies)
      throw Error(ErrorKind::kUsage, "E50", "a goal needs samples to hold it against",
                  "pass data, compare on some of them, and without partial");
    api::Searched found =
        api::search_mix(model, {prepared.model, statistics, recipe, decisions}, unseen, options);
    recipe.left = std::move(found.left);
    decisions = quant::decide(prepared.model, statistics, recipe, &decisions);
    result.comparison = std::move(found.comparison);
    if (!scores) compare_options.fail_if = {found.search.condition};
    if (!found.search.failure.empty())
      result.warnings.push_back({"W37", "the search ended early: " + found.search.failure});
    result.search = std::move(found.search);
  }
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
  const bool stopped = result.search && !result.search->stopped.empty() &&
                       !(scores && result.search->stopped != "interrupted");
  if (verifies && !stopped && (options.details || !result.comparison)) {
    compare_options.threads = options.threads;
    compare_options.progress = options.progress;
    compare_options.layers = options.details;
    compare_options.most_changed = options.details ? kChangedSamples : 0;
    // Layers are compared in the units that channels have now; the float function is the same.
    try {
      result.comparison =
          compare(options.details ? result.prepared : model, result.model, unseen, compare_options);
    } catch (const Error& error) {
      // The search measured already.
      if (error.kind() != ErrorKind::kInterrupted || !result.search) throw;
      result.search->stopped = "interrupted";
    }
    if (scores && result.comparison) judge_by_score(*result.search, *result.comparison);
  }
  if (!result.comparison) return result;
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
