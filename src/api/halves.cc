#include "api/halves.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "api/calibration.h"
#include "base/error.h"
#include "calib/collect.h"
#include "calib/grams.h"
#include "eval/compare.h"
#include "eval/form_errors.h"
#include "ops/cost.h"
#include "ops/infer.h"
#include "passes/types.h"

namespace tersor::api {
namespace {

constexpr int64_t kRowsPerWeight = 64;
// Of the change of a probability that is allowed: what is too much on the few samples looked at,
// and what to bring it down to. Of thousands of samples the largest change is several times that.
constexpr double kAlarming = 0.5, kAim = 0.1;

double relative(double sqnr_db, bool finite) {
  if (!finite) return std::numeric_limits<double>::infinity();
  return std::isfinite(sqnr_db) ? std::pow(10, -sqnr_db / 20) : 0;
}

// Both beside each other on some samples.
Comparison compared(const ir::Model& typed, const quant::Halves& halves, const Data& data,
                    int64_t samples, bool layers, const ConvertOptions& options) {
  eval::Options compare;
  compare.threads = options.threads;
  compare.layers = layers;
  compare.advance = advance_of(options.progress, "check");
  return eval::compare(typed, halves.model, *open(limited(data, samples), typed), compare);
}

// What the ranges do not tell (differences of large numbers, sums of many small ones, numbers
// inside bodies) shows in the results: nodes that go wrong stay in float32, until no output is off
// or nobody stands out.
quant::Halves checked(const ir::Model& source, const ir::Model& typed, quant::HalvesRecipe& recipe,
                      const stats::Statistics& ranges, const Data& data,
                      const ConvertOptions& options) {
  constexpr int kRounds = 8;
  constexpr int64_t kSamples = 16, kLayerSamples = 4;
  quant::Halves halves = quant::to_halves(source, recipe, ranges);
  const auto run = [&](bool layers) {
    return compared(typed, halves, data, layers ? kLayerSamples : kSamples, layers, options);
  };
  for (int round = 0; round < kRounds && !recipe.naive && !recipe.storage_only; ++round) {
    const double limit = quant::tolerance(recipe.to);
    const std::vector<OutputComparison> outputs = run(false).outputs;
    bool off = false;
    for (size_t i = 0; i < outputs.size(); ++i)
      off |= typed.graph.values[typed.graph.outputs[i]].type.elem == DType::kFloat32 &&
             relative(outputs[i].sqnr_db, outputs[i].finite) > limit;
    if (!off) break;
    std::map<std::string, double> errors;
    for (const LayerComparison& l : run(true).layers)
      if (l.max_abs < 1e30)  // masks: infinite for all that reads them
        errors[l.value] = relative(l.sqnr_db, l.finite);
    const size_t before = recipe.measured.size();
    recipe.measured.merge(quant::blamed(typed, halves, errors));
    if (recipe.measured.size() == before) break;
    halves = quant::to_halves(source, recipe, ranges);
  }
  return halves;
}

// What goes into the layers in half precision.
std::map<std::string, calib::LayerMoments> moments_of(const ir::Model& typed,
                                                      const quant::Halves& halves, const Data& data,
                                                      const ConvertOptions& options) {
  std::set<std::string> layers = quant::half_rounding_points(typed, halves.to);
  for (const quant::FloatNode& n : halves.kept) layers.erase(n.output);
  calib::GramOptions grams;
  grams.threads = options.threads;
  grams.rows_per_weight = kRowsPerWeight;
  grams.advance = advance_of(options.progress, "round");
  const auto samples = open(data, typed);
  return calib::collect_moments(typed, layers, *samples, grams);
}

calib::Collected observed(const ir::Model& typed, const Data& data, const ConvertOptions& options) {
  const auto samples = open(data, typed);
  calib::CollectOptions collect{.threads = options.threads};
  collect.advance = advance_of(options.progress, "ranges");
  try {
    return calib::collect(typed, quant::half_points(typed), *samples, collect);
  } catch (Error& e) {
    if (e.kind() == ErrorKind::kUnsupported)
      e.suggest("without -d the model is converted by its weights alone");
    throw;
  }
}

// The largest change of the probability of a label; 0 where the model is no classifier.
double label_change(const ir::Model& typed, const quant::Halves& halves, const Data& data,
                    const ConvertOptions& options) {
  constexpr int64_t kSamples = 64;
  const Comparison c = compared(typed, halves, data, kSamples, false, options);
  return c.classifier ? c.max_probability_change : 0;
}

// What each node that computes in half precision does to the outputs.
std::vector<quant::HalfCost> costs_of(const ir::Model& typed, const quant::HalvesRecipe& recipe,
                                      const stats::Statistics& ranges, const quant::Halves& halves,
                                      const Data& data, const ConvertOptions& options) {
  constexpr int64_t kSamples = 4;
  std::set<std::string> kept;
  for (const quant::FloatNode& n : halves.kept) kept.insert(n.output);
  quant::HalvesRecipe others = recipe;
  others.io = false;  // the samples are float32
  std::vector<quant::HalfCost> costs;
  const ir::Graph& g = typed.graph;
  for (const ir::Node& n : g.nodes) {
    const ir::ValueId out = n.output(0);
    if (out == ir::kNone || g.values[out].type.elem != DType::kFloat32 ||
        kept.contains(g.values[out].name))
      continue;
    quant::HalfCost& cost = costs.emplace_back();
    cost.output = g.values[out].name;
    others.measured[cost.output] = "others";
    cost.work = ops::multiply_accumulates(g, n);
    for (ir::ValueId id : n.inputs)
      if (const Tensor* t = g.constant(id); t && t->dtype() == DType::kFloat32)
        cost.bytes += t->count() * 2;
  }
  const eval::Forms forms{typed, costs.size(), [&](size_t i) {
                            quant::HalvesRecipe alone = others;
                            alone.measured.erase(costs[i].output);
                            return quant::to_halves(typed, alone, ranges).model;
                          }};
  eval::FormOptions form_options;
  form_options.threads = options.threads;
  form_options.advance = advance_of(options.progress, "weigh");
  const auto samples = open(limited(data, kSamples), typed);
  const eval::FormErrors errors = eval::form_errors(typed, forms, *samples, form_options);
  for (size_t i = 0; i < costs.size(); ++i) costs[i].noise = std::pow(10, -errors.forms[i] / 10);
  return costs;
}

}  // namespace

quant::Halves halves_on_data(const ir::Model& source, quant::HalvesRecipe recipe, const Data& data,
                             const ConvertOptions& options, std::vector<Warning>& warnings) {
  ir::Model typed = source;
  passes::infer_types(typed);
  const calib::Collected seen = observed(typed, data, options);
  const stats::Statistics& ranges = seen.statistics;
  for (const calib::Warning& w : seen.warnings)
    if (w.code != "W20") warnings.push_back({w.code, w.text});
  quant::Halves halves = checked(source, typed, recipe, ranges, data, options);
  if (recipe.naive) return halves;
  auto moments = moments_of(typed, halves, data, options);
  auto weights =
      quant::learn_halves(typed, recipe.to, moments, recipe.storage_only, options.threads);
  const auto halves_with = [&] {
    return quant::to_halves(quant::with_weights(source, weights), recipe, ranges);
  };
  halves = halves_with();
  const double change = recipe.storage_only ? 0 : label_change(typed, halves, data, options);
  const double allowed =
      options.max_change > 0 ? options.max_change : quant::largest_change(recipe.to);
  if (change <= allowed * kAlarming) return halves;
  const double aim = allowed * kAim;
  typed = quant::with_weights(typed, weights);
  ops::infer_shapes(typed);
  quant::Costly costly = quant::costly(costs_of(typed, recipe, ranges, halves, data, options),
                                       recipe.to, aim * aim / (change * change));
  for (const auto& [output, reason] : costly.nodes) weights.erase(output);
  std::erase_if(moments, [&](const auto& m) { return !costly.stored.contains(m.first); });
  weights.merge(quant::learn_halves(source, recipe.to, moments, true, options.threads));
  warnings.push_back(
      {"W38", fmt::format("the probability of a label moved by up to {:.2g} (half of {:.2g} is the "
                          "most here): {} nodes, those that cost most, stay in float32; "
                          "--max-change allows more",
                          change, allowed, costly.nodes.size())});
  recipe.measured.merge(costly.nodes);
  recipe.stored = std::move(costly.stored);
  return halves_with();
}

}  // namespace tersor::api
