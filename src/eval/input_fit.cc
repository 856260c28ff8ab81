#include "eval/input_fit.h"

#include <algorithm>
#include <cmath>

#include "eval/classes.h"
#include "eval/running.h"
#include "passes/pipeline.h"

namespace tersor::eval {
namespace {

constexpr int64_t kBatch = 8;

std::vector<double> doubles(const Tensor* t) {
  std::vector<double> values;
  for (int64_t i = 0; t && i < t->count(); ++i) values.push_back(tensor::as_double(*t, i));
  return values;
}

// The first one that was trained: others have mean 0 and variance 1 in all channels.
const ir::Node* trained_norm(const ir::Graph& g) {
  for (const ir::Node& node : g.nodes) {
    if (node.op != "BatchNormalization" || g.constant(node.input(0))) continue;
    const std::vector<double> mean = doubles(g.constant(node.input(3))),
                              variance = doubles(g.constant(node.input(4)));
    if (mean.empty() || mean.size() != variance.size()) return nullptr;
    const bool fresh = std::ranges::all_of(mean, [](double m) { return m == 0; }) &&
                       std::ranges::all_of(variance, [](double v) { return v == 1; });
    return fresh ? nullptr : &node;
  }
  return nullptr;
}

// First and second moments of each channel of values [N, C, ...].
class Moments {
 public:
  explicit Moments(size_t channels) : sum_(channels, 0), squares_(channels, 0) {}
  void add(const Tensor& t, int64_t samples) {
    const auto values = t.data<float>();
    const auto channels = static_cast<int64_t>(sum_.size());
    const int64_t inner = t.count() / (t.dim(0) * channels);
    for (int64_t i = 0; i < samples * channels * inner; ++i) {
      const auto c = static_cast<size_t>(i / inner % channels);
      const auto v = static_cast<double>(values[static_cast<size_t>(i)]);
      sum_[c] += v;
      squares_[c] += v * v;
    }
    count_ += static_cast<double>(samples * inner);
  }
  double divergence(const std::vector<double>& mean, const std::vector<double>& variance) const {
    double total = 0;
    for (size_t c = 0; c < sum_.size(); ++c) {
      constexpr double kLeast = 1e-12;  // dead channels
      const double m = sum_[c] / count_, v = std::max(squares_[c] / count_ - m * m, kLeast);
      const double own = std::max(variance[c], kLeast), off = m - mean[c];
      total += (v / own + off * off / own - 1 - std::log(v / own)) / 2;
    }
    return total / static_cast<double>(sum_.size());
  }

 private:
  std::vector<double> sum_, squares_;
  double count_ = 0;
};

// What class probabilities tell of their samples.
class Information {
 public:
  void add(std::span<const float> scores, bool probabilities) {
    sum_.resize(scores.size(), 0);
    const double top = static_cast<double>(*std::ranges::max_element(scores));
    double total = 0;
    for (float s : scores) total += std::exp(static_cast<double>(s) - top);
    for (size_t k = 0; k < scores.size(); ++k) {
      const auto s = static_cast<double>(scores[k]);
      const double p = probabilities ? s : std::exp(s - top) / total;
      sum_[k] += p;
      own_ += entropy(p);
    }
    ++count_;
  }
  double missing() const {
    double told = -own_ / count_;
    for (double s : sum_) told += entropy(s / count_);
    return std::log(std::min(count_, static_cast<double>(sum_.size()))) - told;
  }

 private:
  static double entropy(double p) { return p > 0 ? -p * std::log(p) : 0; }
  std::vector<double> sum_;
  double own_ = 0, count_ = 0;
};

}  // namespace

std::unique_ptr<InputFit> InputFit::of(const ir::Model& original, bool answers, int threads) {
  auto fit = std::make_unique<InputFit>();
  ir::Model model = original;
  ir::Graph& g = model.graph;
  if (const ir::Node* norm = trained_norm(g)) {
    fit->mean_ = doubles(g.constant(norm->input(3)));
    fit->variance_ = doubles(g.constant(norm->input(4)));
    fit->evidence_ = "the running statistics of the first BatchNormalization";
    g.outputs = {norm->input(0)};
    passes::run_pass(model, "dead_code");
  } else {
    if (!answers || g.outputs.size() != 1) return nullptr;
    const ir::Type& type = g.values[g.outputs[0]].type;
    if (type.elem != DType::kFloat32 || type.rank() != 2) return nullptr;
    fit->evidence_ = "how sure and how various its answers are";
  }
  passes::simplify(model);
  fit->inputs_ = calib::input_specs(model.graph);
  fit->session_ = session_of(model, {}, threads);
  return fit;
}

double InputFit::misfit(calib::Dataset& data) const {
  calib::Batcher batcher(data, inputs_, kBatch);
  Moments moments(mean_.size());
  Information information;
  calib::Batch batch;
  while (batcher.next(batch)) {
    const Tensor out = session_->run(take_inputs(batch))[0];
    if (!mean_.empty()) {
      moments.add(out, batch.count);
      continue;
    }
    if (!is_class_output(out)) continue;
    const int64_t classes = class_count(out);
    for (int64_t i = 0; i < batch.count; ++i) {
      const auto scores =
          out.data<float>().subspan(static_cast<size_t>(i * classes), static_cast<size_t>(classes));
      information.add(scores, are_probabilities(scores));
    }
  }
  return mean_.empty() ? information.missing() : moments.divergence(mean_, variance_);
}

bool InputFit::good(double misfit) const { return misfit < (mean_.empty() ? 1 : 0.1); }

bool InputFit::clearly_better(double misfit, double than) const {
  constexpr double kShare = 0.5;  // of what is off, for running statistics
  constexpr double kNats = 0.5;   // of answers
  return mean_.empty() ? than - misfit > kNats : misfit < kShare * than;
}

int64_t InputFit::samples() const { return mean_.empty() ? 16 : 8; }

}  // namespace tersor::eval
