#include "tersor/compare.h"

#include "api/impl.h"
#include "api/input_check.h"
#include "eval/bench.h"
#include "eval/compare.h"

namespace tersor {
namespace {

eval::Options eval_options(int threads, const Progress& progress, const char* stage) {
  eval::Options options;
  options.threads = threads;
  options.advance = api::advance_of(progress, stage);
  return options;
}

eval::Open opener(const BenchOptions& options) {
  if (!options.data) return {};
  return [&data = *options.data](const ir::Model& model) { return api::open(data, model); };
}

}  // namespace

Comparison compare(const Model& original, const Model& compressed, const Data& data,
                   const CompareOptions& options) {
  eval::Options o = eval_options(options.threads, options.progress, "compare");
  o.layers = options.layers;
  o.keep_samples = options.keep_samples;
  o.most_changed = options.most_changed;
  o.fail_if = options.fail_if;
  const ir::Model a = api::prepared(original.impl().model),
                  b = api::prepared(compressed.impl().model);
  const auto samples = api::open(data, a);
  Comparison result = eval::compare(a, b, *samples, o);
  if (auto warning = api::check_inputs(original, data, true, options.threads))
    result.warnings.push_back(*std::move(warning));
  return result;
}

Evaluation evaluate(const Model& model, const Data& data, int threads, const Progress& progress) {
  const ir::Model prepared = api::prepared(model.impl().model);
  const auto samples = api::open(data, prepared);
  return eval::evaluate(prepared, *samples, eval_options(threads, progress, "eval"));
}

std::vector<Timing> bench(const std::vector<std::pair<std::string, Model>>& models,
                          const BenchOptions& options) {
  std::vector<ir::Model> prepared;
  for (const auto& [name, model] : models) prepared.push_back(api::prepared(model.impl().model));
  std::vector<eval::Named> named;
  for (size_t i = 0; i < models.size(); ++i) named.emplace_back(models[i].first, &prepared[i]);
  return eval::bench(named, options, opener(options));
}

std::vector<LayerTiming> profile(const Model& model, const BenchOptions& options) {
  return eval::profile(api::prepared(model.impl().model), options, opener(options));
}

}  // namespace tersor
