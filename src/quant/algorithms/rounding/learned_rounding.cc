#include "quant/algorithms/rounding/learned_rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/algorithms/bias_correction.h"
#include "quant/algorithms/rounding/filters.h"
#include "quant/formats/int8.h"
#include "quant/formats/saturation.h"
#include "stats/difference.h"

namespace tersor::quant {
namespace {

constexpr int kPasses = 20;
constexpr int kRefits = 2;

// Filters of one group on their way to codes.
class Filters {
 public:
  struct Filter {
    std::vector<float> weights;
    float first = 1, least = 0;  // scale to begin with, and the least that may be
    float scale = 1;
    std::vector<float> codes;
  };

  Filters(const Lattice& lattice, const Recipe& recipe, const Grid& grid,
          std::span<const float> shares)
      : lattice_(lattice), recipe_(recipe), grid_(grid), shares_(shares) {}

  void round(std::span<Filter> filters) const {
    choose_scales(filters);
    if (recipe_.adaround) descend(filters);
  }

 private:
  void choose_scales(std::span<Filter> filters) const {
    std::vector<Candidate> candidates;
    std::vector<float> scales;
    for (const Filter& f : filters)
      for (float share : shares_) {
        scales.push_back(std::max(f.least, f.first * share));
        std::vector<float>& u = candidates.emplace_back().u;
        for (float w : f.weights) u.push_back(w / scales.back());
      }
    if (recipe_.gptq)
      lattice_.feed_back(candidates, grid_);
    else
      lattice_.round(candidates, grid_);
    const auto error = [&](size_t i) {
      return candidates[i].error * static_cast<double>(scales[i]) * static_cast<double>(scales[i]);
    };
    for (size_t f = 0; f < filters.size(); ++f) {
      size_t best = f * shares_.size();
      for (size_t i = best + 1; i < (f + 1) * shares_.size(); ++i)
        if (error(i) < error(best)) best = i;
      filters[f].scale = scales[best];
      filters[f].codes = std::move(candidates[best].q);
    }
  }

  // Codes that suit the scale, and a scale that suits the codes, in turn.
  void descend(std::span<Filter> filters) const {
    std::vector<std::vector<float>> vectors;
    for (const Filter& f : filters) vectors.push_back(f.weights);
    for (const Filter& f : filters) vectors.push_back(f.codes);
    std::vector<std::vector<float>> products = lattice_.times(vectors);
    for (size_t i = 0; i < filters.size(); ++i) {
      Filter& f = filters[i];
      const std::vector<float>& hw = products[i];
      std::vector<float>& hq = products[i + filters.size()];
      for (int turn = 0;; ++turn) {
        lattice_.descend(f.scale, hw, hq, f.codes, grid_, kPasses);
        if (turn == kRefits || shares_.size() == 1) break;
        double both = 0, own = 0;
        for (size_t k = 0; k < f.codes.size(); ++k) {
          both += static_cast<double>(f.weights[k]) * static_cast<double>(hq[k]);
          own += static_cast<double>(f.codes[k]) * static_cast<double>(hq[k]);
        }
        if (both > 0 && own > 0) f.scale = std::max(f.least, static_cast<float>(both / own));
      }
    }
  }

  const Lattice& lattice_;
  const Recipe& recipe_;
  const Grid& grid_;
  std::span<const float> shares_;  // of the first scale: which to try
};

class Layer {
 public:
  Layer(const ir::Graph& g, const ir::Node& node, const Recipe& recipe, const Decisions& decisions,
        NodeDecision& decision)
      : recipe_(recipe),
        decision_(decision),
        weight_(*g.constant(node.inputs[1])),
        bias_(g.constant(node.input(2))),
        filters_(*ops::filters_of(node, weight_.dims())),
        input_scale_(decisions.activations.at(g.values[node.inputs[0]].name).params.scale()),
        takes_mean_(recipe.bias_correct && corrects_bias(g, node)) {
    const CodeRange range = weight_codes(decision.weight->dtype);
    bounds_.low = range.low;
    bounds_.high = range.high;
    const int adds = recipe.target->adds;
    if (adds > 1 && largest_sum(quantize(weight_, *decision.weight), node, adds) <= kMostOfSum) {
      rings_ = sum_rings(node, weight_, adds);
      if (!rings_.empty()) bounds_.sum = kMostOfSum;
      bounds_.ring = rings_;
    }
  }

  void run(const std::vector<stats::Gram>& moments, runtime::ThreadPool& pool) {
    codes_ = Tensor::empty(DType::kInt8, weight_.dims());
    corrected_.assign(takes_mean_ ? static_cast<size_t>(filters_.count) : 0, 0.0F);
    for_each_block(filters_, pool, [&](int64_t g, int64_t, int64_t, runtime::ThreadPool* threads) {
      Form form = form_of(moments[static_cast<size_t>(g)], filters_.length, takes_mean_);
      return [this, mean = std::move(form.mean),
              lattice = Lattice(std::move(form.h), static_cast<size_t>(filters_.length), kDamping,
                                threads)](int64_t from, int64_t to) {
        round_filters(lattice, mean, from, to);
      };
    });
    if (takes_mean_) decision_.bias = std::move(corrected_);
    decision_.weight_sqnr_db =
        stats::sqnr_db(weights(), dequantize(codes_, *decision_.weight).data<float>());
    decision_.codes = std::move(codes_);
  }

 private:
  std::span<const float> weights() const { return weight_.data<float>(); }

  // Scales to try, as shares of the one that covers the largest weight.
  std::span<const float> shares() const {
    static constexpr float kFew[] = {1.0F, 0.96F, 0.92F};
    static constexpr float kMany[] = {1.0F, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F,
                                      0.7F, 0.65F, 0.6F, 0.55F, 0.5F};
    return bounds_.high < 127 || bounds_.sum > 0 ? std::span<const float>(kMany) : kFew;
  }

  void round_filters(const Lattice& lattice, const std::vector<double>& mean, int64_t from,
                     int64_t to) {
    std::vector<float>& scales = decision_.weight->params.scales;
    const bool per_channel = decision_.weight->params.axis >= 0;
    std::vector<Filters::Filter> block;
    for (int64_t f = from; f < to; ++f) {
      Filters::Filter& filter = block.emplace_back();
      for (int64_t k = 0; k < filters_.length; ++k)
        filter.weights.push_back(weights()[filters_.at(f, k)]);
      filter.first = scales[per_channel ? static_cast<size_t>(f) : 0];
      if (bias_ && recipe_.target->quantizes_bias)
        filter.least =
            least_scale_for_bias(input_scale_, bias_->data<float>()[static_cast<size_t>(f)]);
    }
    const IntegerGrid grid(bounds_);
    Filters(lattice, recipe_, grid, per_channel ? shares() : shares().first(1)).round(block);
    for (int64_t f = from; f < to; ++f) {
      const Filters::Filter& filter = block[static_cast<size_t>(f - from)];
      if (per_channel) scales[static_cast<size_t>(f)] = filter.scale;
      put(f, filter, mean);
    }
  }
  // Codes and bias of filter f.
  void put(int64_t f, const Filters::Filter& filter, const std::vector<double>& mean) {
    int8_t* codes = codes_.mutable_data<int8_t>().data();
    double shift = 0;
    for (size_t k = 0; k < filter.codes.size(); ++k) {
      codes[filters_.at(f, static_cast<int64_t>(k))] = static_cast<int8_t>(filter.codes[k]);
      shift += (static_cast<double>(filter.codes[k]) * static_cast<double>(filter.scale) -
                static_cast<double>(filter.weights[k])) *
               mean[k];
    }
    if (takes_mean_)
      corrected_[static_cast<size_t>(f)] = static_cast<float>(
          (bias_ ? tensor::as_double(*bias_, f) : 0.0) - shift * static_cast<double>(input_scale_));
  }

  const Recipe& recipe_;
  NodeDecision& decision_;
  const Tensor& weight_;
  const Tensor* bias_;
  const ops::Filters filters_;
  float input_scale_;
  bool takes_mean_;
  Bounds bounds_;
  std::vector<int64_t> rings_;
  Tensor codes_;
  std::vector<float> corrected_;  // the bias
};

}  // namespace

std::set<std::string> rounding_points(const ir::Model& model, const Decisions& decisions) {
  const ir::Graph& g = model.graph;
  const auto made = g.producers();
  std::set<std::string> names;
  for (const NodeDecision& d : decisions.nodes)
    if (d.quantized && d.weight) {
      const ir::Node& node = g.nodes[made[g.find(d.output)]];
      if (ops::filters_of(node, g.constant(node.inputs[1])->dims())) names.insert(d.output);
    }
  return names;
}

void learn_rounding(const ir::Model& model, const Recipe& recipe,
                    const std::map<std::string, std::vector<stats::Gram>>& moments,
                    Decisions& decisions, int threads) {
  runtime::ThreadPool pool(threads);
  const ir::Graph& g = model.graph;
  const auto made = g.producers();
  for (NodeDecision& d : decisions.nodes)
    if (const auto found = moments.find(d.output); found != moments.end())
      Layer(g, g.nodes[made[g.find(d.output)]], recipe, decisions, d).run(found->second, pool);
}

}  // namespace tersor::quant
