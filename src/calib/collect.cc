#include "calib/collect.h"

#include <algorithm>

#include "base/error.h"
#include "calib/observe.h"
#include "engine/session.h"

namespace tersor::calib {

namespace {

// Of what runs keep from one to the next, and some more where the weights are large anyway.
constexpr size_t kActivationBytes = size_t{27} << 20, kShareOfWeights = 16;

}  // namespace

void fail_interrupted() { throw Error(ErrorKind::kInterrupted, "E80", "interrupted"); }

Collected collect(const ir::Model& model, const std::map<std::string, int>& points, Dataset& data,
                  const CollectOptions& options) {
  engine::CompileOptions compile;
  for (const auto& [name, axis] : points) compile.keep.insert(name);
  compile.unload = options.unload;
  engine::SessionOptions session_options;
  session_options.threads = options.threads;
  const engine::Session session(engine::compile(model, compile), session_options);

  Collected out;
  out.statistics.synthetic = data.synthetic();
  auto& tensors = out.statistics.tensors;
  Batch batch;
  int64_t rows = 1;
  const engine::Tap tap = [&](const engine::TapView& view) {
    const auto point = points.find(view.name);
    if (point != points.end())
      observe(view, {point->second, options.histograms, rows, batch.count}, tensors[view.name]);
  };

  const std::vector<InputSpec> inputs = input_specs(model.graph);
  DataCheck check;
  Batcher batcher(data, inputs, 1, &check);
  if (options.threads != 1) batcher.use(session.pool());
  const int64_t total = data.size();
  // Several samples share what it costs to pass over the weights, as long as memory stays small.
  const size_t budget = kActivationBytes + session.plan().weight_bytes / kShareOfWeights;
  size_t per_sample = 0;
  const auto stop = [&] {
    const auto done = static_cast<int64_t>(out.statistics.samples);
    if (!options.advance || options.advance(done, total)) return false;
    if (!options.keep_interrupted) fail_interrupted();
    return out.interrupted = true;
  };
  while (!stop() && batcher.next(batch)) {
    std::vector<Tensor> values;
    for (auto& [name, tensor] : batch.inputs) values.push_back(std::move(tensor));
    rows = batch.stacked ? values[0].dim(0) : 1;
    session.run(values, tap);
    out.statistics.samples += static_cast<uint64_t>(batch.count);
    per_sample = std::max(per_sample, session.held_bytes() / static_cast<size_t>(batch.count));
    const int64_t wish = std::clamp<int64_t>(
        static_cast<int64_t>(budget / std::max<size_t>(per_sample, 1)), 1, options.batch);
    if (batcher.wish(wish)) session.trim();
  }
  out.warnings = check.finish(data);
  uint64_t bad = 0;
  std::string first;
  for (const auto& [name, stats] : tensors) {
    const uint64_t n = stats.range.nan + stats.range.inf;
    if (n > 0 && bad == 0) first = name;
    bad += n;
  }
  if (bad > 0)
    out.warnings.push_back(
        {"W25", fmt::format("{} values of the original are not finite, first in {}", bad,
                            base::quoted(first))});
  return out;
}

}  // namespace tersor::calib
