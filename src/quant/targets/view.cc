#include "quant/targets/view.h"

#include <algorithm>
#include <set>

namespace tersor::quant {
namespace {

std::optional<Quantizer> read(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.nodes[n];
  const bool quantizes = is(node, "QuantizeLinear");
  if ((!quantizes && !is(node, "DequantizeLinear")) || node.input(0) == ir::kNone ||
      node.output(0) == ir::kNone)
    return {};
  Quantizer q{.node = n, .quantizes = quantizes};
  q.scale = g.constant(node.input(1));
  q.zero = g.constant(node.input(2));
  q.computed_zero = node.input(2) != ir::kNone && !q.zero;
  q.axis = node.attr_int("axis", 1);
  q.block = node.attr_int("block_size", 0);
  // What the node says counts more than what the file declares.
  const ir::Value& codes = g.values[quantizes ? node.output(0) : node.input(0)];
  const auto asked = static_cast<DType>(quantizes ? node.attr_int("output_dtype", 0) : 0);
  if (codes.constant)
    q.dtype = codes.constant->dtype();
  else if (node.input(2) != ir::kNone)
    q.dtype = q.zero ? q.zero->dtype() : g.values[node.input(2)].type.elem;
  else if (quantizes)
    q.dtype = asked == DType::kUndefined ? DType::kUint8 : asked;
  if (q.dtype == DType::kUndefined) q.dtype = codes.type.elem;
  return q;
}

}  // namespace

bool Quantizer::zero_is_zero() const {
  if (!zero || !tensor::is_integer(zero->dtype())) return true;
  for (int64_t i = 0; i < zero->count(); ++i)
    if (tensor::as_int64(*zero, i) != 0) return false;
  return true;
}

bool is_standard(const ir::Node& node) { return node.domain.empty() || node.domain == "ai.onnx"; }
bool is(const ir::Node& node, std::string_view op) { return node.op == op && is_standard(node); }

bool multiplies(const ir::Node& node) {
  return is(node, "Conv") || is(node, "ConvTranspose") || is(node, "Gemm") || is(node, "MatMul");
}

bool moves(const ir::Node& node) {
  static const std::set<std::string_view> kMoves{
      "Identity", "Reshape", "Transpose", "Flatten", "Squeeze",      "Unsqueeze",    "Dropout",
      "Slice",    "Expand",  "Cast",      "MaxPool", "DepthToSpace", "SpaceToDepth", "Split"};
  return is_standard(node) && kMoves.contains(node.op);
}

GraphView::GraphView(const ir::Model& m, const ir::Graph& g)
    : model(m), graph(g), made_(g.producers()), readers_(g.consumers()) {
  // In topological order: what is made of constants is a constant.
  std::vector<bool> constant(g.values.size(), false);
  for (size_t v = 0; v < g.values.size(); ++v) constant[v] = g.values[v].constant.has_value();
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const ir::Node& node = g.nodes[n];
    auto q = read(g, static_cast<ir::NodeId>(n));
    const ir::ValueId in = node.input(0);
    const bool from_constant = in != ir::kNone && constant[in];
    if ((q || moves(node)) && from_constant && node.output(0) != ir::kNone)
      constant[node.output(0)] = true;
    if (!q) continue;
    q->of_constant = from_constant;
    by_node_[static_cast<ir::NodeId>(n)] = quantizers_.size();
    quantizers_.push_back(*q);
  }
}

const Quantizer* GraphView::quantizer(ir::NodeId node) const {
  const auto it = by_node_.find(node);
  return it == by_node_.end() ? nullptr : &quantizers_[it->second];
}

const Quantizer* GraphView::quantizer_of(ir::ValueId id) const {
  return id == ir::kNone || made_[id] == ir::kNone ? nullptr : quantizer(made_[id]);
}

const ir::Node* GraphView::maker(ir::ValueId id) const {
  return id == ir::kNone || made_[id] == ir::kNone ? nullptr : &graph.nodes[made_[id]];
}

const ir::Node* GraphView::only_reader(ir::ValueId id) const {
  if (id == ir::kNone || readers_[id].size() != 1 || graph.is_output(id)) return nullptr;
  return &graph.nodes[readers_[id][0]];
}

ir::ValueId GraphView::origin(ir::ValueId id) const {
  // Nodes are in topological order: this ends.
  while (const ir::Node* node = maker(id)) {
    if (!moves(*node)) break;
    id = node->input(0);
  }
  return id;
}

const Quantizer* GraphView::dequantized(ir::ValueId id) const {
  const ir::ValueId from = origin(id);
  if (from == ir::kNone || made_[from] == ir::kNone) return nullptr;
  const Quantizer* q = quantizer(made_[from]);
  return q && !q->quantizes ? q : nullptr;
}

const Quantizer* GraphView::quantized(ir::ValueId id) const {
  if (id == ir::kNone || readers_[id].size() != 1 || graph.is_output(id)) return nullptr;
  const Quantizer* q = quantizer(readers_[id][0]);
  return q && q->quantizes && graph.nodes[q->node].input(0) == id ? q : nullptr;
}

bool GraphView::repeats(const Quantizer& q) const {
  const ir::Node& dq = graph.nodes[q.node];
  const ir::Node* before = maker(dq.input(0));
  return !q.quantizes && before && is(*before, "QuantizeLinear") &&
         before->input(1) == dq.input(1) && before->input(2) == dq.input(2);
}

bool GraphView::is_constant(ir::ValueId id) const {
  for (;;) {
    if (id == ir::kNone || graph.constant(id)) return true;
    const ir::Node* node = maker(id);
    if (!node || (!moves(*node) && !quantizer(made_[id]))) return false;
    id = node->input(0);
  }
}

std::string GraphView::name(ir::ValueId id) const {
  return id == ir::kNone ? "" : graph.values[id].name;
}

}  // namespace tersor::quant
