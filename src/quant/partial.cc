#include "quant/partial.h"

#include <algorithm>
#include <set>

#include "ops/infer.h"
#include "ops/operator.h"

namespace tersor::quant {
namespace {

bool known(const ir::Model& model, const ir::Graph& graph) {
  return std::ranges::all_of(graph.nodes, [&](const ir::Node& n) {
    if (!ops::find(n.domain, n.op, model.opset(n.domain))) return false;
    return std::ranges::all_of(ir::subgraphs(n),
                               [&](const auto& body) { return known(model, *body); });
  });
}

}  // namespace

ir::Model observable_part(const ir::Model& model, std::map<std::string, int>& points) {
  ir::Model part = model;
  ir::Graph& g = part.graph;
  std::vector<bool> lost(g.values.size(), false), dead(g.nodes.size(), false);
  std::set<std::string> lost_names;
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const ir::Node& node = g.nodes[n];
    bool gone = !ops::find(node.domain, node.op, part.opset(node.domain));
    for (ir::ValueId id : node.inputs) gone |= id != ir::kNone && lost[id];
    for (const auto& body : ir::subgraphs(node)) {
      gone |= !known(part, *body);
      for (const std::string& name : ir::captured_names(*body)) gone |= lost_names.contains(name);
    }
    if (!gone) continue;
    dead[n] = true;
    for (ir::ValueId id : node.outputs)
      if (id != ir::kNone) {
        lost[id] = true;
        lost_names.insert(g.values[id].name);
      }
  }
  std::erase_if(g.outputs, [&](ir::ValueId id) { return lost[id]; });
  std::erase_if(points, [&](const auto& point) { return lost_names.contains(point.first); });
  for (size_t v = 0; v < g.values.size(); ++v) {
    const auto id = static_cast<ir::ValueId>(v);
    if (points.contains(g.values[v].name) && !g.is_output(id)) g.outputs.push_back(id);
  }
  g.erase_nodes(dead);
  g.drop_unused_values();
  return part;
}

ir::Model remove_quantization(const ir::Model& model) {
  ir::Model real = model;
  ir::Graph& g = real.graph;
  const auto made = g.producers();
  for (const ir::Node& node : g.nodes) {
    if (node.op != "DequantizeLinear" || node.input(0) == ir::kNone) continue;
    const bool constant = std::ranges::all_of(
        node.inputs, [&](ir::ValueId id) { return id == ir::kNone || g.constant(id) != nullptr; });
    if (constant) {
      std::vector<const Tensor*> inputs;
      for (ir::ValueId id : node.inputs) inputs.push_back(g.constant(id));
      const ir::ValueId real_value =
          g.add_constant(g.fresh_name(g.values[node.inputs[0]].name + "_real"),
                         ops::interpret(node, real, inputs)[0]);
      g.replace_uses(node.outputs[0], real_value);
      continue;
    }
    const ir::NodeId q = made[node.inputs[0]];
    if (q == ir::kNone || g.nodes[q].op != "QuantizeLinear") continue;
    const ir::ValueId before = g.nodes[q].inputs[0], after = node.outputs[0];
    if (g.is_output(after)) {
      if (g.is_output(before) || made[before] == ir::kNone) continue;
      // It takes over the public name.
      std::swap(g.values[before].name, g.values[after].name);
      std::swap(g.values[before].declared, g.values[after].declared);
    }
    g.replace_uses(after, before);
  }
  // What nobody reads any more goes, from the end of the graph on.
  for (bool changed = true; changed;) {
    changed = false;
    const auto readers = g.consumers();
    std::vector<bool> dead(g.nodes.size(), false);
    for (size_t n = 0; n < g.nodes.size(); ++n) {
      const ir::Node& node = g.nodes[n];
      if (node.op != "QuantizeLinear" && node.op != "DequantizeLinear") continue;
      dead[n] = readers[node.outputs[0]].empty() && !g.is_output(node.outputs[0]);
      changed |= dead[n];
    }
    if (changed) g.erase_nodes(dead);
  }
  g.drop_unused_values();
  ops::infer_shapes(real);
  return real;
}

}  // namespace tersor::quant
