#include "engine/lower/samples.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "ops/cost.h"
#include "ops/operator.h"

namespace tersor::engine {
namespace {

using Names = std::set<std::string, std::less<>>;

// Of one input, element by element or along axes behind the first.
const Names kUnary{"Abs",
                   "BatchNormalization",
                   "Cast",
                   "Ceil",
                   "Celu",
                   "Clip",
                   "DepthToSpace",
                   "DequantizeLinear",
                   "Dropout",
                   "Elu",
                   "Erf",
                   "Exp",
                   "Floor",
                   "Gelu",
                   "GlobalAveragePool",
                   "GlobalMaxPool",
                   "GroupNormalization",
                   "HardSigmoid",
                   "HardSwish",
                   "Identity",
                   "InstanceNormalization",
                   "LRN",
                   "LeakyRelu",
                   "Log",
                   "Mish",
                   "Neg",
                   "QuantizeLinear",
                   "Reciprocal",
                   "Relu",
                   "Selu",
                   "Sigmoid",
                   "Softplus",
                   "Softsign",
                   "SpaceToDepth",
                   "Sqrt",
                   "Tanh",
                   "AveragePool",
                   "MaxPool",
                   "LpPool"};
// Of several, broadcast against each other.
const Names kBroadcast{"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "PRelu", "Sum", "Mean"};
// Of pixels and constant weights.
const Names kConvolution{"Conv", "ConvTranspose", "QLinearConv", "ConvInteger"};
// Along an axis that must not be the first.
const Names kAlongAxis{"Softmax", "LogSoftmax", "LayerNormalization", "ArgMax"};
// To other dimensions, the first of which inference found to be the same.
const Names kReshapes{"Reshape", "Squeeze", "Unsqueeze", "Flatten"};

class Independence {
 public:
  explicit Independence(const ir::Model& model)
      : model_(model), g_(model.graph), shared_(g_.values.size()) {
    for (size_t v = 0; v < g_.values.size(); ++v) shared_[v] = g_.values[v].constant.has_value();
  }

  bool holds() {
    const std::vector<ir::ValueId> inputs = g_.required_inputs();
    if (inputs.empty()) return false;
    for (ir::ValueId id : inputs) {
      const auto& shape = g_.values[id].type.shape;
      if (!shape || shape->empty() || (*shape)[0].known() || (*shape)[0].symbol.empty())
        return false;
      if (!batch_) batch_ = (*shape)[0];
      if (!((*shape)[0] == *batch_)) return false;
    }
    for (const ir::Node& node : g_.nodes) {
      if (shares(node)) continue;
      if (!node.domain.empty() && node.domain != "ai.onnx") return false;
      for (ir::ValueId id : node.outputs)
        if (id != ir::kNone && !batched(id)) return false;
      if (!keeps_samples(node)) return false;
    }
    return std::ranges::all_of(g_.outputs, [&](ir::ValueId id) { return batched(id); });
  }

 private:
  // A node of constants: the same for all samples.
  bool shares(const ir::Node& node) {
    const ops::Operator* op = ops::find(node.domain, node.op, model_.opset(node.domain));
    if (!op || !op->deterministic || !ir::subgraphs(node).empty()) return false;
    if (!std::ranges::all_of(node.inputs,
                             [&](ir::ValueId id) { return id == ir::kNone || shared_[id]; }))
      return false;
    for (ir::ValueId id : node.outputs)
      if (id != ir::kNone) shared_[id] = true;
    return true;
  }

  bool batched(ir::ValueId id) const {
    const auto& shape = g_.values[id].type.shape;
    return !shared_[id] && shape && !shape->empty() && (*shape)[0] == *batch_;
  }
  int64_t rank(ir::ValueId id) const { return g_.values[id].type.rank(); }

  // The inputs from `first` on are the same for all samples.
  bool rest_is_shared(const ir::Node& node, size_t first = 1) const {
    for (size_t i = first; i < node.inputs.size(); ++i)
      if (node.inputs[i] != ir::kNone && !shared_[node.inputs[i]]) return false;
    return true;
  }

  // A constant that is broadcast over samples of `rank` axes.
  bool broadcasts(ir::ValueId id, int64_t rank) const {
    const auto& shape = g_.values[id].type.shape;
    if (!shared_[id] || !shape) return false;
    const auto own = static_cast<int64_t>(shape->size());
    return own < rank || (own == rank && (*shape)[0].known() && (*shape)[0].value == 1);
  }

  bool keeps_samples(const ir::Node& node) const {
    const ir::ValueId x = node.input(0), y = node.output(0);
    if (x == ir::kNone || y == ir::kNone || node.outputs.size() > 1) return false;
    const int64_t r = rank(x);
    if (kBroadcast.contains(node.op))
      return std::ranges::all_of(node.inputs, [&](ir::ValueId id) {
        return id != ir::kNone && ((batched(id) && rank(id) == rank(y)) || broadcasts(id, rank(y)));
      });
    if (node.op == "Concat") {
      return node.attr_int("axis", 0) % r != 0 &&
             std::ranges::all_of(node.inputs,
                                 [&](ir::ValueId id) { return id != ir::kNone && batched(id); });
    }
    if (node.op == "MatMul") {
      const ir::ValueId b = node.input(1);
      return batched(x) &&
             ((shared_[b] && rank(b) <= 2 && r >= 2) || (batched(b) && r >= 3 && rank(b) == r));
    }
    if (node.op == "Gemm")
      return batched(x) && node.attr_int("transA", 0) == 0 && shared_[node.input(1)] &&
             (node.input(2) == ir::kNone || broadcasts(node.input(2), 2));
    if (!batched(x) || !rest_is_shared(node)) return false;
    if (kConvolution.contains(node.op)) return r >= 3;
    if (node.op == "QuantizeLinear" || node.op == "DequantizeLinear")
      return rank(node.input(1)) == 0 || node.attr_int("axis", 1) % r != 0 ||
             g_.values[node.input(1)].type.shape == ir::Shape{ir::Dim(1)};
    if (node.attr_int("training_mode", 0) != 0 || (node.op == "Dropout" && node.inputs.size() > 2))
      return false;
    if (kUnary.contains(node.op) || kReshapes.contains(node.op)) return true;
    if (node.op == "Transpose") {
      const std::vector<int64_t> perm = node.attr_ints("perm");
      return !perm.empty() && perm[0] == 0;
    }
    if (kAlongAxis.contains(node.op)) {
      const int64_t usual = node.op == "ArgMax" ? 0 : -1;
      return node.attr_int("axis", usual) % r != 0;
    }
    return false;
  }

  const ir::Model& model_;
  const ir::Graph& g_;
  std::vector<char> shared_;
  std::optional<ir::Dim> batch_;
};

int64_t elements_of_a_sample(const ir::Type& type) {
  int64_t count = type.shape ? 1 : 0;
  if (type.shape)
    for (const ir::Dim& d : *type.shape) count *= d.known() ? d.value : 1;
  return count;
}

}  // namespace

PieceSizes piece_sizes(const ir::Model& model) {
  const ir::Graph& g = model.graph;
  if (!g.captures.empty() || !Independence(model).holds()) return {};
  int64_t macs = 0, weights = 0, results = 0;
  for (const ir::Node& node : g.nodes) {
    const int64_t products = ops::multiply_accumulates(g, node);
    macs += products;
    if (products > 0) results += elements_of_a_sample(g.values[node.outputs[0]].type);
  }
  for (const ir::Value& v : g.values)
    if (v.constant) weights += v.constant->count();
  // Work that makes the calls of all steps small; and weights, which each piece reads again, should
  // not be much more than what it computes.
  constexpr int64_t kWork = 50'000'000;
  if (macs <= 0 || results <= 0) return {};
  const int64_t enough = (kWork + macs - 1) / macs;
  return {std::max(enough, weights / results), std::max(enough, 2 * weights / results)};
}

}  // namespace tersor::engine
