#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/algorithms/rounding/filters.h"
#include "quant/halves/halves.h"
#include "quant/halves/numbers.h"

namespace tersor::quant {
namespace {

constexpr int kPasses = 20;
constexpr int64_t kLongest = 6144;  // a filter: its moments take 8 bytes * length^2 / 2

// Whether one node reads the value, and nobody else.
bool read_once(const ir::Graph& g, const std::vector<std::vector<ir::NodeId>>& consumers,
               ir::ValueId id) {
  return consumers[id].size() == 1 && !g.is_output(id);
}

bool finite(const stats::Moments& m) {
  for (int64_t k = 0; k < m.columns(); ++k)
    if (!std::isfinite(m.at(k, k))) return false;
  return true;
}

// One number for each filter, added as it is.
bool is_plain_bias(const ir::Node& node, const Tensor& bias, int64_t filters) {
  return bias.dtype() == DType::kFloat32 && bias.count() == filters && bias.rank() == 1 &&
         (node.op == "Conv" || (node.op == "Gemm" && node.attr_float("alpha", 1) == 1 &&
                                node.attr_float("beta", 1) == 1));
}

class Layer {
 public:
  Layer(const ir::Graph& g, const ir::Node& node, DType half, bool float_bias)
      : grid_(half),
        half_(half),
        float_bias_(float_bias),
        weight_(*g.constant(node.inputs[1])),
        filters_(*ops::filters_of(node, weight_.dims())) {
    const Tensor* bias = g.constant(node.input(2));
    if (bias && is_plain_bias(node, *bias, filters_.count)) bias_ = bias;
  }

  LearnedWeights run(const std::vector<stats::Moments>& moments, runtime::ThreadPool& pool) {
    out_.weight = rounded(weight_);
    if (bias_)
      out_.bias = float_bias_ ? Tensor::empty(DType::kFloat32, bias_->dims()) : rounded(*bias_);
    for_each_block(
        filters_, pool, [&](int64_t g, int64_t first, int64_t last, runtime::ThreadPool* threads) {
          Form form = form_of(moments[static_cast<size_t>(g)], static_cast<int64_t>(columns()),
                              bias_takes_mean());
          return [this, mean = std::move(form.mean),
                  lattice =
                      Lattice(std::move(form.h), columns(), kDamping, threads, steps(first, last))](
                     int64_t from, int64_t to) { round_filters(lattice, mean, from, to); };
        });
    return std::move(out_);
  }

 private:
  Tensor rounded(const Tensor& t) const {
    return tensor::cast(narrowed(t, half_, false), DType::kFloat32);
  }
  bool bias_is_rounded() const { return bias_ && !float_bias_; }
  bool bias_takes_mean() const { return bias_ && float_bias_; }
  size_t columns() const {
    return static_cast<size_t>(filters_.length) + (bias_is_rounded() ? 1 : 0);
  }
  // Weights of a filter; a bias to be rounded is one more, of an input that is always 1.
  std::vector<float> numbers(int64_t filter) const {
    std::vector<float> u;
    for (int64_t k = 0; k < filters_.length; ++k)
      u.push_back(weight_.data<float>()[filters_.at(filter, k)]);
    if (bias_is_rounded()) u.push_back(bias_->data<float>()[static_cast<size_t>(filter)]);
    return u;
  }

  // The steps of a float are in proportion to it: squares, of all filters of a group.
  std::vector<float> steps(int64_t from, int64_t to) const {
    std::vector<float> steps(columns(), 0.0F);
    for (int64_t f = from; f < to; ++f) {
      const std::vector<float> u = numbers(f);
      for (size_t k = 0; k < u.size(); ++k) steps[k] += u[k] * u[k];
    }
    return steps;
  }

  void round_filters(const Lattice& lattice, const std::vector<double>& mean, int64_t from,
                     int64_t to) {
    std::vector<Candidate> learned, nearest;
    for (int64_t f = from; f < to; ++f) learned.push_back({.u = numbers(f)});
    nearest = learned;
    lattice.round(nearest, grid_);
    lattice.feed_back(learned, grid_);
    const auto errors = [](const std::vector<Candidate>& candidates) {
      std::vector<std::vector<float>> all;
      for (const Candidate& c : candidates) {
        std::vector<float>& e = all.emplace_back(c.u);
        for (size_t k = 0; k < e.size(); ++k) e[k] -= c.q[k];
      }
      return all;
    };
    std::vector<std::vector<float>> slopes = lattice.times(errors(learned));
    for (size_t i = 0; i < learned.size(); ++i) {
      std::vector<float> moved(columns(), 0.0F);
      std::vector<float>& q = learned[i].q;
      lattice.descend(1, slopes[i], moved, q, grid_, kPasses);
      for (size_t k = 0; k < q.size(); ++k)
        if (learned[i].u[k] == 0) q[k] = 0;  // what was pruned stays so
    }
    const std::vector<std::vector<float>> left = errors(learned), of_left = lattice.times(left);
    for (size_t i = 0; i < learned.size(); ++i) {
      const double error = std::inner_product(
          left[i].begin(), left[i].end(), of_left[i].begin(), 0.0, std::plus<>(),
          [](float a, float b) { return static_cast<double>(a) * static_cast<double>(b); });
      put(from + static_cast<int64_t>(i), (error < nearest[i].error ? learned : nearest)[i].q,
          mean);
    }
  }
  void put(int64_t f, const std::vector<float>& q, const std::vector<double>& mean) {
    float* weights = out_.weight.mutable_data<float>().data();
    double shift = 0;
    for (int64_t k = 0; k < filters_.length; ++k) {
      const float from = weight_.data<float>()[filters_.at(f, k)], to = q[static_cast<size_t>(k)];
      weights[filters_.at(f, k)] = to;
      shift += (static_cast<double>(to) - static_cast<double>(from)) * mean[static_cast<size_t>(k)];
    }
    if (bias_)
      out_.bias->mutable_data<float>()[static_cast<size_t>(f)] =
          float_bias_ ? static_cast<float>(tensor::as_double(*bias_, f) - shift) : q.back();
  }

  const HalfGrid grid_;
  DType half_;
  bool float_bias_;
  const Tensor& weight_;
  const Tensor* bias_ = nullptr;
  const ops::Filters filters_;
  LearnedWeights out_;
};

}  // namespace

std::set<std::string> half_rounding_points(const ir::Model& model, DType half) {
  const ir::Graph& g = model.graph;
  const auto consumers = g.consumers();
  const Numbers numbers(half, nullptr);
  std::set<std::string> names;
  for (const ir::Node& n : g.nodes) {
    if (n.inputs.size() < 2 || n.outputs.empty() || n.outputs[0] == ir::kNone) continue;
    const Tensor* weight = g.constant(n.inputs[1]);
    if (!weight || weight->dtype() != DType::kFloat32 || !read_once(g, consumers, n.inputs[1]))
      continue;
    const auto filters = ops::filters_of(n, weight->dims());
    if (filters && filters->length <= kLongest &&
        numbers.against(*weight, g.values[n.inputs[1]].name).empty())
      names.insert(g.values[n.outputs[0]].name);
  }
  return names;
}

std::map<std::string, LearnedWeights> learn_halves(
    const ir::Model& model, DType half,
    const std::map<std::string, std::vector<stats::Moments>>& moments, bool float_bias,
    int threads) {
  runtime::ThreadPool pool(threads);
  const ir::Graph& g = model.graph;
  const auto made = g.producers();
  std::map<std::string, LearnedWeights> learned;
  for (const auto& [layer, of_layer] : moments)
    if (std::ranges::all_of(of_layer, finite))
      learned.emplace(layer,
                      Layer(g, g.nodes[made[g.find(layer)]], half, float_bias).run(of_layer, pool));
  return learned;
}

ir::Model with_weights(const ir::Model& model,
                       const std::map<std::string, LearnedWeights>& learned) {
  ir::Model out = model;
  ir::Graph& g = out.graph;
  const auto consumers = g.consumers();
  for (const ir::Node& n : model.graph.nodes) {
    const auto it = n.outputs.empty() || n.outputs[0] == ir::kNone
                        ? learned.end()
                        : learned.find(g.values[n.outputs[0]].name);
    if (it == learned.end()) continue;
    g.values[n.inputs[1]].constant = it->second.weight;
    if (it->second.bias && read_once(g, consumers, n.inputs[2]))
      g.values[n.inputs[2]].constant = *it->second.bias;
  }
  return out;
}

}  // namespace tersor::quant
