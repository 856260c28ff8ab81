// Clip, bias and residual behind an operator that takes them into its own epilogue.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/lower/lowering.h"

namespace tersor::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Bounds {
  float low = -kInfinity, high = kInfinity;
};

// The bounds of a Relu or of a Clip with constant ones (attributes before opset 11, inputs after).
std::optional<Bounds> bounds_of(const ir::Graph& g, const ir::Node& node) {
  if (!node.domain.empty() && node.domain != "ai.onnx") return {};
  if (node.op == "Relu") return Bounds{0, kInfinity};
  if (node.op != "Clip") return {};
  Bounds b;
  b.low = node.attr_float("min", -kInfinity);
  b.high = node.attr_float("max", kInfinity);
  for (size_t i = 1; i <= 2; ++i) {
    if (node.input(i) == ir::kNone) continue;
    const Tensor* t = g.constant(node.input(i));
    if (!t || t->count() != 1 || !tensor::is_float(t->dtype())) return {};
    (i == 1 ? b.low : b.high) = static_cast<float>(tensor::as_double(*t, 0));
  }
  if (std::isnan(b.low) || std::isnan(b.high) || b.low > b.high) return {};
  return b;
}

bool is_float(const ir::Graph& g, ir::ValueId id) {
  return computes_in_f32(g.values[id].type.elem);
}

}  // namespace

void fuse_clip(Lowering& l) {
  ir::Graph& g = l.graph();
  const auto readers = g.consumers();
  std::vector<bool> dead(g.nodes.size(), false);
  for (ir::Node& node : g.nodes) {
    const ops::Operator* op = l.op(node);
    if (!op || !op->traits.fuses_clip || !op->bind || node.outputs.size() != 1) continue;
    if (!is_float(g, node.outputs[0]) || l.constraints.no_fuse.contains(l.key(node))) continue;
    const ir::NodeId next = l.only_reader(node.outputs[0], readers);
    if (next == ir::kNone || node.has("clip_min") || node.has("clip_max")) continue;
    const ir::Node& clip = g.nodes[next];
    if (clip.input(0) != node.outputs[0]) continue;
    const auto bounds = bounds_of(g, clip);
    if (!bounds || l.constraints.no_fuse.contains(l.key(clip))) continue;
    if (bounds->low > -kInfinity) node.set("clip_min", bounds->low);
    if (bounds->high < kInfinity) node.set("clip_max", bounds->high);
    NodeFacts facts = l.facts[l.key(node)];
    facts.note += (facts.note.empty() ? "with " : ", ") + clip.op;
    node.outputs[0] = clip.outputs[0];
    l.facts[l.key(node)] = std::move(facts);
    dead[next] = true;
  }
  g.erase_nodes(dead);
}

void fuse_bias(Lowering& l) {
  ir::Graph& g = l.graph();
  const auto readers = g.consumers();
  std::vector<bool> dead(g.nodes.size(), false);
  for (ir::Node& node : g.nodes) {
    const ops::Operator* op = l.op(node);
    if (!op || !op->traits.fuses_bias || !op->bind || node.op != "MatMul") continue;
    if (!is_float(g, node.outputs[0]) || node.inputs.size() != 2) continue;
    if (l.constraints.no_fuse.contains(l.key(node))) continue;
    const ir::NodeId next = l.only_reader(node.outputs[0], readers);
    if (next == ir::kNone || g.nodes[next].op != "Add" || g.nodes[next].inputs.size() != 2)
      continue;
    const ir::Node& add = g.nodes[next];
    if (l.constraints.no_fuse.contains(l.key(add))) continue;
    const ir::ValueId bias = add.inputs[add.inputs[0] == node.outputs[0] ? 1 : 0];
    const Tensor* constant = g.constant(bias);
    const auto& shape = g.values[node.outputs[0]].type.shape;
    if (!constant || constant->rank() != 1 || !shape || shape->empty()) continue;
    if (shape->back() != ir::Dim(constant->dim(0))) continue;
    NodeFacts facts = l.facts[l.key(node)];
    facts.note += (facts.note.empty() ? "with " : ", ") + std::string("bias");
    node.inputs.push_back(bias);
    node.outputs[0] = add.outputs[0];
    l.facts[l.key(node)] = std::move(facts);
    dead[next] = true;
  }
  g.erase_nodes(dead);
  g.sort();
}

void fuse_residual(Lowering& l) {
  ir::Graph& g = l.graph();
  const auto readers = g.consumers();
  const auto made = g.producers();
  std::vector<bool> dead(g.nodes.size(), false);
  for (size_t a = 0; a < g.nodes.size(); ++a) {
    const ir::Node add = g.nodes[a];
    if (add.op != "Add" || !add.domain.empty() || add.inputs.size() != 2 || dead[a]) continue;
    if (!is_float(g, add.outputs[0]) || l.constraints.no_fuse.contains(l.key(add))) continue;
    // Of two candidates the later one takes the other as its residual: both are ready by then.
    for (int side : {1, 0}) {
      const ir::ValueId x = add.inputs[side], other = add.inputs[1 - side];
      const ir::NodeId n = made[x];
      if (n == ir::kNone || x == other || dead[n] || g.values[other].constant) continue;
      ir::Node& node = g.nodes[n];
      const ops::Operator* op = l.op(node);
      if (!op || !op->traits.fuses_residual || !op->bind || node.op != "Conv") continue;
      if (node.inputs.size() > 3 || node.has("clip_min") || node.has("clip_max")) continue;
      if (l.constraints.no_fuse.contains(l.key(node))) continue;
      if (l.only_reader(x, readers) != static_cast<ir::NodeId>(a)) continue;
      if (made[other] != ir::kNone && made[other] > n) continue;
      const auto &sx = g.values[x].type.shape, &so = g.values[other].type.shape;
      if (!sx || !so || sx->size() != so->size() || !std::ranges::equal(*sx, *so)) continue;
      NodeFacts facts = l.facts[l.key(node)];
      facts.note += (facts.note.empty() ? "with " : ", ") + std::string("residual Add");
      if (const std::string& more = l.facts[l.key(add)].note; !more.empty())
        facts.note += ", " + more.substr(std::string("with ").size());
      node.inputs.resize(3, ir::kNone);
      node.inputs.push_back(other);
      node.outputs[0] = add.outputs[0];
      // What was fused into the Add goes along.
      for (const char* bound : {"clip_min", "clip_max"})
        if (add.has(bound)) node.set(bound, add.attr_float(bound, 0));
      l.facts[l.key(node)] = std::move(facts);
      dead[a] = true;
      break;
    }
  }
  g.erase_nodes(dead);
  g.sort();
}

}  // namespace tersor::engine
