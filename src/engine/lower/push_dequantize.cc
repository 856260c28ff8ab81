// Before: DequantizeLinear (8 bits, per tensor) -> operator that only moves values, whose readers
// are no QuantizeLinear After:  the operator moves the codes; DequantizeLinear follows it Why:
// other tools leave pooling and reshaping between two quantized operators in float Exact:  moving
// commutes with dequantizing; MaxPool too, since scales are positive
#include <algorithm>

#include "engine/lower/lowering.h"

namespace tersor::engine {
namespace {

bool is_quantization(const ir::Node& node, const char* op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

}  // namespace

void push_dequantize(Lowering& l) {
  if (!l.options.integers) return;
  ir::Graph& g = l.graph();
  std::vector<ir::Node> placed;
  placed.reserve(g.nodes.size());
  const auto readers = g.consumers();
  std::unordered_map<ir::ValueId, ir::Node>
      dequantized;  // by the value that a DequantizeLinear makes
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    ir::Node node = std::move(g.nodes[n]);
    if (is_quantization(node, "DequantizeLinear") && !node.outputs.empty())
      dequantized[node.outputs[0]] = node;
    const ops::Operator* op = l.op(node);
    const auto source = op && op->traits.quant == ops::QuantClass::kMoves && op->bind &&
                                !node.inputs.empty() && node.outputs.size() == 1
                            ? dequantized.find(node.inputs[0])
                            : dequantized.end();
    if (source == dequantized.end()) {
      placed.push_back(std::move(node));
      continue;
    }
    const ir::Node& dq = source->second;
    const auto params = qdq_params(g, dq);
    const ir::ValueId real = node.outputs[0];
    const std::string name = g.values[real].name + "/codes";
    const bool eight = params && params->params.per_tensor() && params->params.scale() > 0 &&
                       (params->dtype == DType::kUint8 || params->dtype == DType::kInt8);
    // Readers still stand where they were: those placed already are empty, and cannot read what
    // comes later.
    const bool absorbed =
        !readers[real].empty() && std::ranges::all_of(readers[real], [&](ir::NodeId r) {
          return is_quantization(g.nodes[r], "QuantizeLinear");
        });
    if (!eight || absorbed || g.values[real].type.elem != DType::kFloat32 ||
        l.constraints.no_absorb.contains(name)) {
      placed.push_back(std::move(node));
      continue;
    }
    ir::Type type = g.values[real].type;
    type.elem = params->dtype;
    const ir::ValueId codes = g.add_value(name, std::move(type));
    node.inputs[0] = dq.inputs[0];
    node.outputs[0] = codes;
    NodeFacts facts;
    facts.in_quant.assign(node.inputs.size(), std::nullopt);
    facts.in_quant[0] = facts.out_quant = params->params;
    facts.note = "before its DequantizeLinear";
    l.facts[name] = std::move(facts);
    ir::Node after = dq;
    after.inputs[0] = codes;
    after.outputs = {real};
    dequantized[real] = after;
    placed.push_back(std::move(node));
    placed.push_back(std::move(after));
  }
  g.nodes = std::move(placed);
  const auto now = g.consumers();
  std::vector<bool> unread(g.nodes.size(), false);
  for (size_t n = 0; n < g.nodes.size(); ++n)
    unread[n] = is_quantization(g.nodes[n], "DequantizeLinear") &&
                now[g.nodes[n].outputs[0]].empty() && l.hidden(g.nodes[n].outputs[0]);
  g.erase_nodes(unread);
}

}  // namespace tersor::engine
