// Before: DequantizeLinear(s) -> operator -> QuantizeLinear, each with constant 8-bit parameters;
// constants may have fewer bits.
// After:  the operator reads and writes the 8-bit wires; its bind computes as docs/architecture.md
// defines. When:   every data input comes from such a DequantizeLinear (for weighted operators the
// bias may be a float
//         or int32 constant) and every reader of the output is a QuantizeLinear of the same
//         parameters; a weighted operator may also give real numbers, and one that maps element by
//         element take them.
#include <algorithm>
#include <map>

#include "engine/lower/lowering.h"

namespace tersor::engine {
namespace {

bool is_standard(const ir::Node& node, const char* op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

bool eight_bits(DType type) { return type == DType::kUint8 || type == DType::kInt8; }
bool fits_eight_bits(DType type) { return tensor::is_integer(type) && tensor::bits(type) <= 8; }

struct Absorber {
  Lowering& l;
  std::map<ir::ValueId, ir::ValueId> widened = {};
  ir::Graph& g = l.graph();
  std::vector<ir::NodeId> made = g.producers();
  std::vector<std::vector<ir::NodeId>> readers = g.consumers();

  // The DequantizeLinear that makes a value, with its parameters.
  std::optional<std::pair<ir::ValueId, QdqParams>> source(ir::ValueId id) const {
    if (id == ir::kNone || made[id] == ir::kNone) return {};
    const ir::Node& dq = g.nodes[made[id]];
    if (!is_standard(dq, "DequantizeLinear") || g.values[id].type.elem != DType::kFloat32)
      return {};
    auto params = qdq_params(g, dq);
    if (!params) return {};
    return std::pair{dq.inputs[0], *std::move(params)};
  }

  // Whether the node can read 8-bit wires, with `facts` and `inputs` filled.
  bool match_inputs(const ir::Node& node, const ops::Operator& op, NodeFacts& facts,
                    std::vector<ir::ValueId>& inputs) const {
    const ops::Traits& traits = op.traits;
    const bool weighted = traits.quant == ops::QuantClass::kWeighted;
    facts.in_quant.assign(node.inputs.size(), std::nullopt);
    inputs = node.inputs;
    bool found = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == ir::kNone) continue;
      if (!traits.variadic && !(i < 32 && (traits.data_inputs >> i & 1))) continue;
      const auto from = source(node.inputs[i]);
      const bool bias = weighted && i >= 2;
      if (!from) {
        const Tensor* constant = g.constant(node.inputs[i]);
        if (bias && constant && constant->dtype() == DType::kFloat32) continue;
        return false;
      }
      const auto& [value, q] = *from;
      const bool constant = g.values[value].constant.has_value();
      if (bias ? q.dtype != DType::kInt32 || !constant
               : !(constant ? fits_eight_bits(q.dtype) : eight_bits(q.dtype)))
        return false;
      if (q.params.axis >= 0 && !(weighted && constant)) return false;
      facts.in_quant[i] = q.params;
      inputs[i] = value;
      found = true;
    }
    return found;
  }

  // Constant codes of fewer bits as bytes of the same values.
  ir::ValueId as_bytes(ir::ValueId id) {
    const Tensor* codes = g.constant(id);
    if (!codes || tensor::bits(codes->dtype()) >= 8) return id;
    auto& wide = widened.try_emplace(id, ir::kNone).first->second;
    if (wide == ir::kNone) {
      const bool is_signed = tensor::lowest(codes->dtype()) < 0;
      wide = g.add_constant(g.fresh_name(g.values[id].name + "_bytes"),
                            tensor::cast(*codes, is_signed ? DType::kInt8 : DType::kUint8));
    }
    return wide;
  }

  // The one QuantizeLinear form that all readers of `id` share.
  std::optional<QdqParams> match_output(ir::ValueId id) const {
    if (!l.hidden(id) || readers[id].empty()) return {};
    std::optional<QdqParams> shared;
    for (ir::NodeId n : readers[id]) {
      const ir::Node& q = g.nodes[n];
      if (!is_standard(q, "QuantizeLinear") || q.input(0) != id) return {};
      auto params = qdq_params(g, q);
      if (!params || !eight_bits(params->dtype) || !params->params.per_tensor()) return {};
      if (shared && !(shared->params == params->params && shared->dtype == params->dtype))
        return {};
      shared = std::move(params);
    }
    return shared;
  }
};

}  // namespace

void absorb_qdq(Lowering& l) {
  if (!l.options.integers) return;
  Absorber a{l};
  ir::Graph& g = l.graph();
  std::vector<bool> dead(g.nodes.size(), false);
  std::vector<std::pair<ir::ValueId, ir::ValueId>> merged;  // other QuantizeLinear outputs
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    ir::Node& node = g.nodes[n];
    const ops::Operator* op = l.op(node);
    if (!op || op->traits.quant == ops::QuantClass::kNone || !op->bind) continue;
    if (node.outputs.empty() || node.outputs[0] == ir::kNone) continue;
    bool one_output = true;
    for (size_t i = 1; i < node.outputs.size(); ++i) one_output &= node.outputs[i] == ir::kNone;
    const std::string key = l.key(node);
    if (!one_output || l.constraints.no_absorb.contains(key)) continue;
    NodeFacts facts = l.facts[key];
    std::vector<ir::ValueId> inputs;
    if (!a.match_inputs(node, *op, facts, inputs)) {
      if (op->traits.quant != ops::QuantClass::kMaps) continue;
      facts.in_quant.clear();
      inputs = node.inputs;
    }
    const ir::ValueId real = node.outputs[0];
    const auto out = a.match_output(real);
    if (!out && op->traits.quant != ops::QuantClass::kWeighted) continue;
    node.inputs = std::move(inputs);
    for (ir::ValueId& id : node.inputs)
      if (id != ir::kNone) id = a.as_bytes(id);
    if (out) {
      facts.out_quant = out->params;
      const ir::ValueId first = g.nodes[a.readers[real][0]].outputs[0];
      for (ir::NodeId r : a.readers[real]) {
        const ir::ValueId quantized = g.nodes[r].outputs[0];
        if (quantized != first && !dead[r]) merged.emplace_back(quantized, first);
        dead[r] = true;
      }
      node.outputs[0] = first;
    }
    l.facts[l.key(node)] = std::move(facts);
  }
  for (const auto& [from, to] : merged) g.replace_uses(from, to);
  g.erase_nodes(dead);
  // DequantizeLinear nodes nobody reads any more.
  const auto readers = g.consumers();
  std::vector<bool> unread(g.nodes.size(), false);
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const ir::Node& node = g.nodes[n];
    if (!is_standard(node, "DequantizeLinear")) continue;
    unread[n] = readers[node.outputs[0]].empty() && l.hidden(node.outputs[0]);
  }
  g.erase_nodes(unread);
  g.sort();
}

}  // namespace tersor::engine
