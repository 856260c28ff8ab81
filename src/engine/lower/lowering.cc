#include "engine/lower/lowering.h"

#include <algorithm>

#include "ops/infer.h"

namespace tersor::engine {

const std::string& Lowering::key(const ir::Node& node) const {
  static const std::string none;
  for (ir::ValueId id : node.outputs)
    if (id != ir::kNone) return model.graph.values[id].name;
  return none;
}

bool Lowering::hidden(ir::ValueId id) const {
  return !model.graph.is_output(id) && !options.keep.contains(model.graph.values[id].name);
}

ir::NodeId Lowering::only_reader(ir::ValueId id,
                                 const std::vector<std::vector<ir::NodeId>>& readers) const {
  return hidden(id) && readers[id].size() == 1 ? readers[id][0] : ir::kNone;
}

bool computes_in_f32(DType type) {
  return type == DType::kFloat32 || type == DType::kFloat16 || type == DType::kBfloat16;
}

std::optional<QdqParams> qdq_params(const ir::Graph& graph, const ir::Node& node) {
  const Tensor* scale = graph.constant(node.input(1));
  if (!scale || scale->dtype() != DType::kFloat32 || scale->rank() > 1) return {};
  if (node.attr_int("block_size", 0) != 0) return {};
  QdqParams q{{}, DType::kUint8};
  const auto scales = scale->data<float>();
  q.params.scales.assign(scales.begin(), scales.end());
  const bool quantizes = node.op == "QuantizeLinear";
  const ir::ValueId x = node.input(0);
  if (!quantizes) q.dtype = graph.values[x].type.elem;
  q.params.zero_points.assign(q.params.scales.size(), 0);
  if (node.input(2) != ir::kNone) {
    const Tensor* zero = graph.constant(node.input(2));
    if (!zero || zero->count() != scale->count()) return {};
    if (quantizes) q.dtype = zero->dtype();
    if (tensor::bits(zero->dtype()) > 32 || !tensor::is_integer(zero->dtype())) return {};
    for (int64_t i = 0; i < zero->count(); ++i)
      q.params.zero_points[static_cast<size_t>(i)] =
          static_cast<int32_t>(tensor::as_int64(*zero, i));
  } else if (quantizes) {
    if (const int64_t code = node.attr_int("output_dtype", 0)) q.dtype = static_cast<DType>(code);
  }
  if (q.params.scales.size() > 1 || scale->rank() == 1) {
    const int rank = graph.values[x].type.rank();
    int64_t axis = node.attr_int("axis", 1);
    if (axis < 0) axis += rank;
    if (q.params.scales.size() == 1) {
      q.params.axis = -1;
    } else {
      if (rank < 0 || axis < 0 || axis >= rank) return {};
      q.params.axis = static_cast<int>(axis);
    }
  }
  return q;
}

void fold(Lowering& l) {
  ir::Graph& g = l.graph();
  std::vector<bool> dead(g.nodes.size(), false);
  bool any = false;
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const ir::Node node = g.nodes[n];
    const ops::Operator* op = l.op(node);
    if (!op || !op->deterministic || !ir::subgraphs(node).empty()) continue;
    const bool constant = std::ranges::all_of(node.inputs, [&](ir::ValueId id) {
      return id == ir::kNone || g.values[id].constant.has_value();
    });
    if (!constant || (l.facts.contains(l.key(node)) && !l.facts[l.key(node)].in_quant.empty()))
      continue;
    std::vector<const Tensor*> inputs;
    for (ir::ValueId id : node.inputs) inputs.push_back(g.constant(id));
    std::vector<Tensor> results = ops::interpret(node, l.model, inputs);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ir::ValueId id = node.outputs[i];
      if (id == ir::kNone) continue;
      g.values[id].type = ir::Type::tensor(results[i].dtype(), ir::to_shape(results[i].dims()));
      g.values[id].constant = std::move(results[i]);
    }
    dead[n] = any = true;
  }
  if (any) g.erase_nodes(dead);
}

}  // namespace tersor::engine
