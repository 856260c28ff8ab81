#include "calib/collect.h"

#include <algorithm>

#include "base/error.h"
#include "calib/observe.h"
#include "engine/session.h"
#include "runtime/tasks.h"

namespace tersor::calib {

namespace {

// Of what runs keep from one to the next, and some more where the weights are large anyway.
constexpr size_t kActivationBytes = size_t{27} << 20, kShareOfWeights = 16;

// How many samples to run at once. Where they are independent each thread has a batch of its own:
// it waits for nobody, and looks at values that its cache still holds. Otherwise all threads share
// the steps of one batch, whose samples share what it costs to pass over the weights. Either way
// only as long as memory stays small.
class Sizes {
 public:
  Sizes(const engine::Plan& plan, int64_t threads, int64_t most)
      : budget_(kActivationBytes + plan.weight_bytes / kShareOfWeights),
        piece_(plan.piece.least),
        threads_(threads),
        most_(most) {}

  int64_t samples() const { return samples_; }  // of a batch
  int64_t batches() const { return batches_; }  // that are run together

  // `batches` of `samples` each were run, and the session keeps so much memory for the next ones.
  void learn(int64_t samples, int64_t batches, size_t held) {
    in_flight_ = std::max(in_flight_, samples * std::min(batches, threads_));
    per_sample_ = std::max({per_sample_, held / static_cast<size_t>(in_flight_), size_t{1}});
    const auto room = std::clamp<int64_t>(static_cast<int64_t>(budget_ / per_sample_), 1, most_);
    if (piece_ > 0 && threads_ > 1 && room >= threads_) {
      samples_ = std::min(room / threads_, piece_);
      batches_ = std::clamp(most_ / samples_, threads_, 2 * threads_);
    } else {
      samples_ = room;
      batches_ = 1;
    }
  }
  // The session keeps nothing any more.
  void forget() { in_flight_ = 0; }

 private:
  size_t budget_, per_sample_ = 0;
  int64_t piece_, threads_, most_;
  int64_t samples_ = 1, batches_ = 1, in_flight_ = 0;
};

}  // namespace

void fail_interrupted() { throw Error(ErrorKind::kInterrupted, "E80", "interrupted"); }

Collected collect(const ir::Model& model, const std::map<std::string, int>& points, Dataset& data,
                  const CollectOptions& options) {
  engine::CompileOptions compile;
  for (const auto& [name, axis] : points) compile.keep.insert(name);
  compile.unload = options.unload;
  engine::SessionOptions session_options;
  session_options.threads = options.threads;
  const engine::Session session(model, compile, session_options);

  Collected out;
  out.statistics.synthetic = data.synthetic();
  auto& tensors = out.statistics.tensors;
  // What each thread saw: together it does not depend on who saw what.
  std::vector<std::map<std::string, stats::TensorStats>> seen(
      static_cast<size_t>(session.pool().size()));
  const auto run = [&](Batch& batch, int thread) {
    std::vector<Tensor> values;
    for (auto& [name, tensor] : batch.inputs) values.push_back(std::move(tensor));
    const int64_t rows = batch.stacked ? values[0].dim(0) : 1;
    session.run(values, [&](const engine::TapView& view) {
      const auto point = points.find(view.name);
      if (point != points.end())
        observe(view, {point->second, options.histograms, rows, batch.count},
                seen[static_cast<size_t>(thread)][view.name]);
    });
  };

  const std::vector<InputSpec> inputs = input_specs(model.graph);
  DataCheck check;
  Batcher batcher(data, inputs, 1, &check);
  if (options.threads != 1) batcher.use(session.pool());
  const int64_t total = data.size();
  Sizes sizes(session.plan(), session.pool().size(), options.batch);
  const auto stop = [&] {
    const auto done = static_cast<int64_t>(out.statistics.samples);
    if (!options.advance || options.advance(done, total)) return false;
    if (!options.keep_interrupted) fail_interrupted();
    return out.interrupted = true;
  };
  std::vector<Batch> batches;
  while (!stop()) {
    batches.clear();
    for (Batch batch; std::ssize(batches) < sizes.batches() && batcher.next(batch);)
      batches.push_back(std::move(batch));
    if (batches.empty()) break;
    runtime::run_tasks(session.pool(), std::ssize(batches), [&](int64_t i, int thread) {
      run(batches[static_cast<size_t>(i)], thread);
    });
    for (const Batch& batch : batches) out.statistics.samples += static_cast<uint64_t>(batch.count);
    sizes.learn(batches[0].count, std::ssize(batches), session.held_bytes());
    if (batcher.wish(sizes.samples())) {
      session.trim();
      sizes.forget();
    }
  }
  for (auto& part : seen)
    for (const auto& [name, stats] : part) tensors[name].merge(stats);
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
