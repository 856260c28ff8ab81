#include "eval/report/describe.h"

#include <algorithm>
#include <cmath>

#include "quant/formats/int8.h"

namespace tersor::eval {
namespace {

constexpr size_t kBins = 64;

Bins bins_of(const stats::Histogram& histogram) {
  stats::Histogram::Even even = histogram.even(kBins);
  return {even.lo, even.hi, std::move(even.counts)};
}

Bins bins_of(const Tensor& t) {
  stats::Histogram h;
  h.add(t.data<float>());
  return bins_of(h);
}

class Describer {
 public:
  Describer(const ir::Model& prepared, const quant::Decisions& decisions,
            const stats::Statistics& statistics, bool details, QuantizeResult& result)
      : g_(prepared.graph),
        decisions_(decisions),
        statistics_(statistics),
        details_(details),
        result_(result),
        readers_(g_.consumers()) {
    for (const quant::NodeDecision& d : decisions.nodes) by_output_[d.output] = &d;
  }

  void run() {
    for (ir::ValueId id : g_.inputs) add_tensor(id, nullptr);
    for (const ir::Node& node : g_.nodes) {
      const ir::ValueId out = node.output(0);
      if (out != ir::kNone)
        if (const auto d = by_output_.find(g_.values[out].name); d != by_output_.end())
          add_layer(node, *d->second);
      for (ir::ValueId id : node.outputs)
        if (id != ir::kNone) add_tensor(id, &node);
    }
  }

 private:
  void add_tensor(ir::ValueId id, const ir::Node* maker) {
    const std::string& name = g_.values[id].name;
    const auto f = decisions_.activations.find(name);
    if (f == decisions_.activations.end()) return;
    const quant::Format& format = f->second;
    TensorDecision& t = result_.tensors.emplace_back();
    t.tensor = name;
    if (maker) t.node = maker->name, t.op = maker->op;
    t.dtype = tensor::name(format.dtype);
    if (const auto why = decisions_.why.find(name); why != decisions_.why.end())
      t.why = why->second;
    t.lo = format.range.lo;
    t.hi = format.range.hi;
    t.scale = format.params.scale();
    t.zero_point = format.params.zero_point();
    const auto s = statistics_.tensors.find(name);
    if (s == statistics_.tensors.end() || s->second.range.empty()) return;
    t.min = s->second.range.min;
    t.max = s->second.range.max;
    t.clipped_share = quant::clipped_share(s->second, format);
    if (details_) t.histogram = bins_of(s->second.histogram);
  }

  void add_layer(const ir::Node& node, const quant::NodeDecision& d) {
    LayerDecision& layer = result_.layers.emplace_back();
    layer.node = d.node;
    layer.op = d.op;
    layer.quantized = d.quantized;
    layer.reason = d.reason;
    if (d.weight) {
      layer.granularity = d.weight->params.axis >= 0 ? "channel" : "tensor";
      layer.weights = tensor::name(d.weight->dtype);
      layer.learned = d.codes.defined();
    }
    layer.weight_sqnr_db = d.weight_sqnr_db;
    layer.tensor = d.output;
    layer.stored = stored_behind(node);
    const auto f = decisions_.activations.find(d.output);
    if (f != decisions_.activations.end()) {
      layer.lo = f->second.range.lo;
      layer.hi = f->second.range.hi;
      layer.scale = f->second.params.scale();
      layer.zero_point = f->second.params.zero_point();
    }
    if (const auto s = statistics_.tensors.find(d.output);
        s != statistics_.tensors.end() && !s->second.range.empty()) {
      layer.min = s->second.range.min;
      layer.max = s->second.range.max;
      if (f != decisions_.activations.end())
        layer.clipped_share = quant::clipped_share(s->second, f->second);
    }
    result_.weighted += d.weighted;
    result_.quantized += d.weighted && d.quantized;
    if (d.weighted) add_weights(node, d, layer);
  }

  // The name of the value that holds the node's result in 8 bits, or "".
  std::string stored_behind(const ir::Node& node) const {
    constexpr int kFollowers = 2;  // a bias and an activation
    ir::ValueId id = node.output(0);
    for (int i = 0; i <= kFollowers; ++i) {
      if (decisions_.activations.contains(g_.values[id].name)) return g_.values[id].name;
      if (readers_[id].size() != 1 || g_.is_output(id)) return {};
      id = g_.nodes[readers_[id][0]].output(0);
      if (id == ir::kNone) return {};
    }
    return {};
  }

  void add_weights(const ir::Node& node, const quant::NodeDecision& d, LayerDecision& layer) {
    const Tensor* weight = g_.constant(node.input(1));
    if (!weight) return;
    const auto [before, after] = quant::weight_bytes(g_, node, d, *decisions_.target);
    layer.bytes_before = before;
    layer.bytes_after = after;
    if (details_ && weight->dtype() == DType::kFloat32) layer.histogram = bins_of(*weight);
  }

  const ir::Graph& g_;
  const quant::Decisions& decisions_;
  const stats::Statistics& statistics_;
  bool details_;
  QuantizeResult& result_;
  std::vector<std::vector<ir::NodeId>> readers_;
  std::map<std::string, const quant::NodeDecision*> by_output_;
};

}  // namespace

void describe(const ir::Model& prepared, const quant::Decisions& decisions,
              const stats::Statistics& statistics, bool details, QuantizeResult& result) {
  Describer(prepared, decisions, statistics, details, result).run();
}

}  // namespace tersor::eval
