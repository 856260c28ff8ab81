#include <algorithm>

#include "ops/infer.h"
#include "passes/pipeline.h"
#include "passes/types.h"
#include "quant/halves/halves.h"

namespace tersor::quant {
namespace {

bool is_half(DType type) { return type == DType::kFloat16 || type == DType::kBfloat16; }
constexpr auto kFloat = static_cast<int64_t>(DType::kFloat32);
bool is_half(int64_t type) { return is_half(static_cast<DType>(type)); }

void widen(ir::Graph& g) {
  for (ir::Value& v : g.values) {
    if (v.constant && is_half(v.constant->dtype()))
      v.constant = tensor::cast(*v.constant, DType::kFloat32);
    if (is_half(v.type.elem)) v.type.elem = DType::kFloat32;
  }
  for (ir::Node& node : g.nodes) {
    for (const char* key : {"to", "dtype", "output_datatype"})
      if (node.has(key) && is_half(node.attr_int(key, 0))) node.set(key, kFloat);
    if (const Tensor* t = node.attr_tensor("value"); t && is_half(t->dtype()))
      node.set("value", tensor::cast(*t, DType::kFloat32));
    for (ir::Attribute& a : node.attributes) {
      const auto inner = [](const ir::Attribute::GraphPtr& body) -> ir::Attribute::GraphPtr {
        auto copy = std::make_shared<ir::Graph>(*body);
        widen(*copy);
        return copy;
      };
      if (auto* body = std::get_if<ir::Attribute::GraphPtr>(&a.data)) *body = inner(*body);
      if (auto* bodies = std::get_if<std::vector<ir::Attribute::GraphPtr>>(&a.data))
        for (auto& b : *bodies) b = inner(b);
    }
  }
}

ir::Node cast(ir::ValueId from, ir::ValueId to, DType type, const std::string& name) {
  ir::Node n;
  n.op = "Cast";
  n.name = name;
  n.origin = "convert";
  n.inputs = {from};
  n.outputs = {to};
  n.set("to", static_cast<int64_t>(type));
  return n;
}

}  // namespace

ir::Model to_float32(const ir::Model& model, bool io) {
  ir::Model m = model;
  passes::run_pass(m, "inline_functions");
  passes::run_pass(m, "initializers_not_inputs");
  passes::infer_types(m);
  ir::Graph& g = m.graph;
  std::vector<DType> before;
  for (const ir::Value& v : g.values) before.push_back(v.type.elem);
  widen(g);
  if (!io) {
    for (ir::ValueId id : std::vector<ir::ValueId>(g.inputs)) {
      if (!is_half(before[id])) continue;
      const ir::ValueId wide =
          g.add_value(g.fresh_name(g.values[id].name + "_float"), g.values[id].type);
      g.replace_uses(id, wide);
      g.values[id].type.elem = before[id];
      g.nodes.insert(g.nodes.begin(),
                     cast(id, wide, DType::kFloat32, g.values[wide].name + "/Cast"));
    }
    for (ir::ValueId& out : g.outputs) {
      if (static_cast<size_t>(out) >= before.size() || !is_half(before[out]) || g.constant(out))
        continue;
      ir::Value copy = g.values[out];
      copy.type.elem = before[out];
      g.values[out].name = g.fresh_name(copy.name + "_float");
      g.values[out].declared = false;
      g.values.push_back(std::move(copy));
      const auto narrow = static_cast<ir::ValueId>(g.values.size() - 1);
      g.nodes.push_back(
          cast(out, narrow, static_cast<DType>(before[out]), g.values[narrow].name + "/Cast"));
      out = narrow;
    }
  }
  ops::infer_shapes(m);
  ir::verify(m);
  passes::run_pass(m, "remove_noops");
  return m;
}

}  // namespace tersor::quant
