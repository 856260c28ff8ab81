#include "eval/bench.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "calib/dataset.h"
#include "engine/session.h"

namespace tersor::eval {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double at_share(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const double at = share * static_cast<double>(values.size() - 1);
  return values[static_cast<size_t>(at + 0.5)];
}

std::unique_ptr<calib::Dataset> random_data(const BenchOptions& options,
                                            const std::vector<calib::InputSpec>& inputs) {
  constexpr int64_t kLength = 128;
  calib::DatasetSpec spec;
  spec.path = fmt::format("random:{}", std::max<int64_t>(options.batch, 1));
  spec.symbols = options.symbols;
  for (const calib::InputSpec& input : inputs) {
    if (!input.shape) continue;
    for (size_t d = 1; d < input.shape->size(); ++d) {
      const ir::Dim& dim = (*input.shape)[d];
      if (!dim.known() && !dim.symbol.empty() && input.shape->size() < 4 &&
          dim.symbol.find("batch") == std::string::npos)
        spec.symbols.try_emplace(dim.symbol, kLength);
    }
  }
  return calib::open_dataset(spec, inputs);
}

// The inputs of one run, and how many samples they hold.
std::pair<std::vector<Tensor>, int64_t> inputs_for(const ir::Model& model,
                                                   const BenchOptions& options, const Open& open) {
  const std::vector<calib::InputSpec> inputs = calib::input_specs(model.graph);
  if (inputs.empty()) return {{}, 1};
  const auto data = open ? open(model) : random_data(options, inputs);
  calib::Batcher batcher(*data, inputs, options.batch);
  calib::Batch batch;
  if (!batcher.next(batch)) base::fail_input("E24", "there are no samples");
  std::vector<Tensor> values;
  for (auto& [name, tensor] : batch.inputs) values.push_back(std::move(tensor));
  const bool rows = values[0].rank() > 0;
  const int64_t count = rows && batcher.batch() > 1 ? values[0].dim(0) : batch.count;
  if (batcher.batch() == options.batch && count < options.batch)
    base::fail_input("E26", "a batch of {} needs as many samples of equal shape; there {} {}",
                     options.batch, count == 1 ? "is" : "are", count);
  if (options.batch > 1 && rows && values[0].dim(0) % options.batch != 0)
    base::fail_input("E26", "the model fixes its batch to {}; --batch {} does not fit",
                     values[0].dim(0), options.batch);
  return {std::move(values), count};
}

// What is not a dimension of any model is a typing mistake.
void check_symbols(const std::vector<Named>& models, const BenchOptions& options) {
  std::vector<std::string> known;
  for (const auto& [name, model] : models)
    for (const calib::InputSpec& input : calib::input_specs(model->graph))
      if (input.shape)
        for (const ir::Dim& d : *input.shape)
          if (!d.known() && !d.symbol.empty()) known.push_back(d.symbol);
  for (const auto& [symbol, size] : options.symbols) {
    if (std::ranges::find(known, symbol) == known.end()) {
      const std::string near = base::nearest(symbol, known);
      throw Error(ErrorKind::kUsage, "E50",
                  fmt::format("no input has a dimension {}", base::quoted(symbol)),
                  near.empty() ? "'tersor inspect' names the dimensions"
                               : fmt::format("did you mean {}?", base::quoted(near)));
    }
    if (size < 1)
      throw Error(ErrorKind::kUsage, "E50",
                  fmt::format("the dimension {} cannot have size {}", base::quoted(symbol), size));
  }
}

struct Runner {
  std::unique_ptr<engine::Session> session;
  std::vector<Tensor> inputs;
  int64_t batch = 1;    // samples in one run
  int64_t repeats = 1;  // runs in one round
  std::vector<double> seconds;

  void round() {
    const auto start = Clock::now();
    for (int64_t i = 0; i < repeats; ++i) session->run(inputs);
    seconds.push_back(since(start) / static_cast<double>(repeats));
  }
};

// A round lasts about this long, so that the clock and the change of models do not count.
constexpr double kRoundSeconds = 0.02;

Runner prepare(const ir::Model& model, const BenchOptions& options, int threads, const Open& open) {
  engine::SessionOptions session_options;
  session_options.threads = threads;
  auto [inputs, batch] = inputs_for(model, options, open);
  Runner r{std::make_unique<engine::Session>(model, engine::CompileOptions{}, session_options),
           std::move(inputs),
           batch,
           1,
           {}};
  r.session->run(r.inputs);
  const auto start = Clock::now();
  r.session->run(r.inputs);
  r.repeats = std::clamp<int64_t>(
      static_cast<int64_t>(kRoundSeconds / std::max(since(start), 1e-7)), 1, 10000);
  return r;
}

}  // namespace

std::vector<Timing> bench(const std::vector<Named>& models, const BenchOptions& options,
                          const Open& open) {
  std::vector<Timing> rows;
  if (models.empty()) return rows;
  check_symbols(models, options);
  for (int threads : options.threads) {
    std::vector<Runner> runners;
    for (const auto& [name, model] : models)
      runners.push_back(prepare(*model, options, threads, open));
    const double limit = options.seconds * static_cast<double>(models.size());
    const auto start = Clock::now();
    do {
      for (Runner& r : runners) r.round();
    } while (since(start) < limit || runners[0].seconds.size() < 3);
    for (size_t i = 0; i < models.size(); ++i) {
      const std::vector<double>& s = runners[i].seconds;
      Timing t{.model = models[i].first, .threads = threads, .batch = runners[i].batch};
      t.p50_ms = 1e3 * at_share(s, 0.5);
      t.p90_ms = 1e3 * at_share(s, 0.9);
      t.min_ms = 1e3 * *std::ranges::min_element(s);
      t.rounds = static_cast<int64_t>(s.size());
      t.spread = t.p50_ms > 0 ? (t.p90_ms - t.min_ms) / t.p50_ms : 0;
      rows.push_back(std::move(t));
    }
  }
  return rows;
}

std::vector<LayerTiming> profile(const ir::Model& model, const BenchOptions& options,
                                 const Open& open) {
  const int threads = options.threads.empty() ? 1 : options.threads[0];
  Runner r = prepare(model, options, threads, open);
  const engine::Plan& plan = r.session->plan();
  std::vector<std::vector<double>> times(plan.info.size());
  const auto start = Clock::now();
  do {
    std::vector<double> once(plan.info.size(), 0);
    r.session->run(r.inputs, {}, [&](int info, double s) { once[static_cast<size_t>(info)] += s; });
    for (size_t i = 0; i < once.size(); ++i) times[i].push_back(once[i]);
  } while (since(start) < options.seconds);
  std::vector<LayerTiming> rows;
  for (size_t i = 0; i < plan.info.size(); ++i)
    rows.push_back(
        {plan.info[i].name, plan.info[i].op, plan.info[i].kernel, 1e3 * at_share(times[i], 0.5)});
  return rows;
}

}  // namespace tersor::eval
