#include "eval/layers.h"

#include <algorithm>
#include <string_view>

namespace tersor::eval {
namespace {

bool is(const ir::Node& node, const char* op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

// Of a QuantizeLinear with one constant scale.
std::optional<QuantParams> params_of(const ir::Graph& g, const ir::Node& node) {
  const Tensor* scale = g.constant(node.input(1));
  if (!scale || scale->dtype() != DType::kFloat32 || scale->count() != 1) return {};
  QuantParams params;
  params.scales = {scale->data<float>()[0]};
  params.zero_points = {0};
  if (node.input(2) == ir::kNone) return params;
  const Tensor* zero = g.constant(node.input(2));
  if (!zero || zero->count() != 1 || !tensor::is_integer(zero->dtype())) return {};
  params.zero_points = {static_cast<int32_t>(tensor::as_int64(*zero, 0))};
  return params;
}

// What stands for the values of one graph at run time.
class Wires {
 public:
  explicit Wires(const ir::Graph& g) : g_(g), made_(g.producers()), readers_(g.consumers()) {
    for (size_t v = 0; v < g.values.size(); ++v)
      if (made_[v] != ir::kNone) by_name_[g.values[v].name] = static_cast<ir::ValueId>(v);
  }

  std::optional<Wire> of(const std::string& name) const {
    const auto it = by_name_.find(name);
    if (it == by_name_.end()) return {};
    const ir::ValueId id = it->second;
    for (ir::NodeId r : readers_[id]) {
      const ir::Node& node = g_.nodes[r];
      if (!is(node, "QuantizeLinear") || node.input(0) != id) continue;
      auto params = params_of(g_, node);
      if (!params) return {};
      return Wire{g_.values[node.output(0)].name, std::move(params)};
    }
    const ir::Node& maker = g_.nodes[made_[id]];
    const bool passes = std::ranges::any_of(maker.inputs, [&](ir::ValueId in) {
      return in != ir::kNone && made_[in] != ir::kNone &&
             is(g_.nodes[made_[in]], "DequantizeLinear");
    });
    if (passes && !g_.is_output(id)) return {};
    return Wire{name, {}};
  }

 private:
  const ir::Graph& g_;
  std::vector<ir::NodeId> made_;
  std::vector<std::vector<ir::NodeId>> readers_;
  std::map<std::string_view, ir::ValueId> by_name_;
};

Tensor real_numbers(const engine::TapView& view, const Wire& wire) {
  Tensor real = view.to_rows();
  // The codes of a QuantizeLinear that runs as it is written.
  if (wire.params && !view.quant)
    for (float& v : real.mutable_data<float>())
      v = (v - static_cast<float>(wire.params->zero_point())) * wire.params->scale();
  return real;
}

}  // namespace

std::vector<Layer> common_layers(const ir::Graph& original, const ir::Graph& other) {
  const Wires in_original(original), in_other(other);
  std::vector<Layer> layers;
  for (const ir::Node& node : original.nodes) {
    if (is(node, "DequantizeLinear")) continue;
    for (const ir::ValueId value : node.outputs) {
      if (value == ir::kNone || original.values[value].type.elem != DType::kFloat32) continue;
      const std::string& name = original.values[value].name;
      auto a = in_original.of(name), b = in_other.of(name);
      if (a && b) layers.push_back({name, node.name, node.op, *std::move(a), *std::move(b)});
    }
  }
  return layers;
}

LayerDifferences::LayerDifferences(std::vector<Layer> layers)
    : layers_(std::move(layers)), seen_(layers_.size()), differences_(layers_.size()) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    by_original_[layers_[i].original.name].push_back(i);
    by_other_[layers_[i].other.name].push_back(i);
  }
}

std::set<std::string> LayerDifferences::keep_of_original() const {
  std::set<std::string> names;
  for (const auto& [name, layers] : by_original_) names.insert(name);
  return names;
}

std::set<std::string> LayerDifferences::keep_of_other() const {
  std::set<std::string> names;
  for (const auto& [name, layers] : by_other_) names.insert(name);
  return names;
}

engine::Tap LayerDifferences::remember() {
  return [this](const engine::TapView& view) {
    const auto it = by_original_.find(view.name);
    if (it == by_original_.end()) return;
    for (size_t i : it->second) seen_[i] = real_numbers(view, layers_[i].original);
  };
}

engine::Tap LayerDifferences::compare() {
  return [this](const engine::TapView& view) {
    const auto it = by_other_.find(view.name);
    if (it == by_other_.end()) return;
    for (size_t i : it->second) {
      const Tensor real = real_numbers(view, layers_[i].other);
      if (seen_[i].defined() && seen_[i].count() == real.count())
        differences_[i].add(seen_[i].data<float>(), real.data<float>());
      seen_[i] = Tensor();
    }
  };
}

}  // namespace tersor::eval
