#include "api/search.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "api/calibration.h"
#include "api/recipe.h"
#include "base/error.h"
#include "eval/compare.h"
#include "eval/conditions.h"
#include "quant/search/fewest.h"

namespace tersor {
namespace api {
namespace {

constexpr int64_t kSensitivitySamples = 16;

std::string name_of(const quant::NodeDecision& d) { return d.node.empty() ? d.output : d.node; }

uint64_t weight_bytes(const ir::Model& model) {
  uint64_t bytes = 0;
  for (const ir::Value& v : model.graph.values)
    if (v.constant) bytes += v.constant->bytes();
  return bytes;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Sensitivity described(const eval::Quantizable& q, const eval::Costs& costs) {
  const ir::Graph& g = q.model.graph;
  std::map<std::string_view, const ir::Node*> by_output;
  for (const ir::Node& node : g.nodes)
    if (node.output(0) != ir::kNone) by_output[g.values[node.output(0)].name] = &node;
  Sensitivity s;
  s.all_db = costs.all_db;
  s.samples = costs.samples;
  for (const eval::LayerCost& cost : costs.layers) {
    const quant::NodeDecision& d = *cost.decision;
    const auto bytes = quant::weight_bytes(g, *by_output.at(d.output), d, *q.recipe.target);
    s.layers.push_back(
        {name_of(d), d.op, cost.alone_db, cost.without_db, bytes.before - bytes.after});
  }
  std::ranges::stable_sort(s.layers, {}, &LayerSensitivity::alone_db);
  return s;
}

// Of `data`, as many as the errors of layers are measured on.
Data some_of(Data data, int64_t samples) {
  return data.rest_only ? data.rest(samples) : data.take(samples);
}

std::string condition_of(const Goal& goal, bool labels) {
  const auto need = [&](bool good, const char* what) {
    if (!good)
      throw Error(ErrorKind::kUsage, "E50", fmt::format("{:g} is no {}", goal.limit, what),
                  "for example 0.01 (1 %) for top1 and cosine, 25 (dB) for sqnr");
  };
  if (goal.metric == "sqnr") {
    need(std::isfinite(goal.limit), "SQNR in dB");
    return fmt::format("sqnr<{:.6g}", goal.limit);
  }
  if (goal.metric == "score") {
    need(goal.limit >= 0 && std::isfinite(goal.limit), "loss of score");
    if (goal.score) return {};
    throw Error(ErrorKind::kUsage, "E50", "there is nothing to score models with",
                "set Goal::score");
  }
  need(goal.limit >= 0 && goal.limit < 1, "share that may be lost");
  if (goal.metric == "cosine") return fmt::format("cosine<{:.9g}", 1 - goal.limit);
  if (goal.metric != "top1")
    throw Error(ErrorKind::kUsage, "E50", "unknown metric " + base::quoted(goal.metric),
                "metrics: top1, sqnr, cosine, score");
  return labels ? fmt::format("top1_drop>{:.6g}", goal.limit)
                : fmt::format("top1_agree<{:.6g}", 1 - goal.limit);
}

class MixSearch {
 public:
  MixSearch(const Model& original, const eval::Quantizable& q, const Data& unseen,
            const QuantizeOptions& options)
      : original_(original), q_(q), unseen_(unseen), options_(options) {
    const std::string text = condition_of(*options.goal, !unseen.labels_path.empty());
    if (!scores()) condition_ = eval::parse_condition(text);
  }

  Searched run() {
    if (scores()) limit_score();
    const auto best =
        quant::fewest_in_float([this] { return orders(); },
                               [this](const std::vector<size_t>& left) { return measure(left); });
    Searched out;
    out.search.measure = condition_.measure;
    out.search.condition = condition_.text;
    out.search.limit = condition_.limit;
    out.search.original = score_;
    out.search.stopped = stopped_;
    out.search.failure = failure_;
    if (best) {
      out.left = reasons(best->left);
      if (!scores()) out.comparison = std::move(comparisons_.at(best->left));
      if (!out.left.empty()) out.search.all_8_bits = wrap(quant::apply(q_.model, q_.decisions));
    }
    std::ranges::stable_sort(
        tried_, [](const Tried& a, const Tried& b) { return a.layers.size() < b.layers.size(); });
    for (Tried& t : tried_) {
      if (best && t.layers == best->left) out.search.chosen = out.search.tried.size();
      out.search.tried.push_back(std::move(t.mix));
    }
    out.search.sensitivity = std::move(sensitivity_);
    out.search.seconds = seconds_since(start_);
    return out;
  }

 private:
  struct Tried {
    std::vector<size_t> layers;
    Mix mix;
  };

  calib::Advance watched(const char* stage) {
    return [this, stage](int64_t done, int64_t total) {
      if (options_.progress && !options_.progress(stage, done, total)) stopped_ = "interrupted";
      const double limit = options_.goal->seconds;
      if (stopped_.empty() && limit > 0 && seconds_since(start_) > limit) stopped_ = "time";
      return stopped_.empty();
    };
  }
  // nullopt if the work was stopped.
  template <typename Work>
  auto unless_stopped(const Work& work) -> std::optional<decltype(work())> {
    if (!stopped_.empty()) return {};
    try {
      return work();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInterrupted || stopped_.empty()) throw;
      return {};
    }
  }

  std::map<std::string, std::string> reasons(const std::vector<size_t>& left) {
    std::map<std::string, std::string> reasons;
    for (size_t i : left) {
      std::string why = "for the accuracy asked for";
      if (i < costs_.size())
        why += fmt::format(": {:.1f} dB with it alone in 8 bits", costs_[i].alone_db);
      reasons[layers_[i]->output] = why;
    }
    return reasons;
  }

  bool scores() const { return options_.goal->metric == "score"; }

  // Nothing where the search is at its end.
  std::optional<double> score_of(const Model& model) {
    const calib::Advance advance = watched("score");
    const auto go_on = [&] { return advance(0, 1); };
    if (!stopped_.empty() || !go_on()) return {};
    std::optional<double> value;
    try {
      value = options_.goal->score(model, go_on);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted || tried_.empty()) throw;
      stopped_ = "failed";
      failure_ = error.sentence();
      return {};
    }
    go_on();
    return stopped_.empty() ? value : std::nullopt;
  }

  // The condition, by what the original scores.
  void limit_score() {
    const Goal& goal = *options_.goal;
    condition_ = {.text = "score<", .measure = "score", .below = true, .limit = 0};
    score_ = score_of(original_);
    if (!score_) return;
    condition_.limit = *score_ - goal.limit * (goal.relative ? std::fabs(*score_) : 1);
    condition_.text += fmt::format("{:.6g}", condition_.limit);
  }

  std::optional<quant::Outcome> measure(const std::vector<size_t>& left) {
    ir::Model mix = quant::apply(q_.model, eval::leaving(q_, reasons(left)));
    const uint64_t bytes = weight_bytes(mix);
    const auto rated = scores() ? rate(std::move(mix)) : compare(mix, left);
    if (!rated) return {};
    Tried& tried = tried_.emplace_back();
    tried.layers = left;
    for (size_t i : left) tried.mix.left.push_back(name_of(*layers_[i]));
    tried.mix.bytes = bytes;
    tried.mix.value = rated->first;
    tried.mix.holds = rated->second;
    return quant::Outcome{rated->second, condition_.below ? -rated->first : rated->first};
  }

  // What was measured, and whether it is enough.
  using Rated = std::optional<std::pair<double, bool>>;
  Rated rate(ir::Model mix) {
    const auto score = score_of(wrap(std::move(mix)));
    if (!score) return {};
    return std::pair(*score, *score >= condition_.limit);
  }
  Rated compare(const ir::Model& mix, const std::vector<size_t>& left) {
    eval::Options compare;
    compare.threads = options_.threads;
    compare.fail_if = {condition_.text};
    compare.remembered = &remembered_;
    compare.advance = watched("search");
    auto found = unless_stopped(
        [&] { return eval::compare(q_.model, mix, *open(unseen_, q_.model), compare); });
    if (!found) return {};
    const std::pair rated(eval::measured(*found, condition_), found->passed);
    comparisons_[left] = *std::move(found);
    return rated;
  }

  // Those first that do most damage alone, and those first that are missed most.
  quant::Orders orders() {
    const Data some = some_of(unseen_, kSensitivitySamples);
    eval::FormOptions form;
    form.threads = options_.threads;
    form.advance = watched("layers");
    const auto start = std::chrono::steady_clock::now();
    const auto costs = unless_stopped([&] {
      return eval::layer_costs(
          q_, [&] { return open(some, q_.model); }, form);
    });
    if (!costs) return {};
    sensitivity_ = described(q_, *costs);
    sensitivity_->seconds = seconds_since(start);
    costs_ = costs->layers;
    std::vector<size_t> alone(costs_.size());
    for (size_t i = 0; i < alone.size(); ++i) alone[i] = i;
    std::vector<size_t> missed = alone;
    std::ranges::stable_sort(alone, {}, [&](size_t i) { return costs_[i].alone_db; });
    std::ranges::stable_sort(missed, {}, [&](size_t i) { return -costs_[i].without_db; });
    return {alone, missed};
  }

  const Model& original_;
  const eval::Quantizable& q_;
  const Data& unseen_;
  const QuantizeOptions& options_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  eval::Condition condition_;
  eval::Remembered remembered_;
  const std::vector<const quant::NodeDecision*> layers_ = eval::layers_of(q_.decisions);
  std::vector<eval::LayerCost> costs_;
  std::optional<Sensitivity> sensitivity_;
  std::vector<Tried> tried_;
  std::map<std::vector<size_t>, Comparison> comparisons_;
  std::optional<double> score_;  // of the original
  std::string stopped_, failure_;
};

}  // namespace

Searched search_mix(const Model& original, const eval::Quantizable& q, const Data& unseen,
                    const QuantizeOptions& options) {
  return MixSearch(original, q, unseen, options).run();
}

}  // namespace api

Sensitivity sensitivity(const Model& model, const Data& data, const QuantizeOptions& given,
                        int64_t samples) {
  const QuantizeOptions options = given.settled();
  const quant::Recipe recipe = api::recipe_of(options, data);
  const api::Prepared prepared =
      api::prepare(model, options.per_channel, options.equalize, options.requantize,
                   options.threads, *recipe.target, recipe.weights);
  api::Gathered gathered = api::gather(model, prepared, data, options, recipe);
  const stats::Statistics statistics =
      api::chosen(gathered.statistics, model, prepared, recipe, false, false);
  const quant::Decisions decisions = api::decide(prepared, statistics, recipe, data, options);
  const Data some = api::held_out(data, options, samples, prepared.model, gathered.warnings);
  eval::FormOptions form;
  form.threads = options.threads;
  form.advance = api::advance_of(options.progress, "layers");
  const auto start = std::chrono::steady_clock::now();
  const eval::Quantizable q{prepared.model, statistics, recipe, decisions};
  Sensitivity result =
      api::described(q, eval::layer_costs(
                            q, [&] { return api::open(some, prepared.model); }, form));
  result.seconds = api::seconds_since(start);
  result.warnings = std::move(gathered.warnings);
  return result;
}

}  // namespace tersor
