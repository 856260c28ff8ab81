#include <algorithm>

#include "api/impl.h"
#include "base/error.h"
#include "ops/cost.h"
#include "ops/infer.h"
#include "ops/operator.h"
#include "passes/pipeline.h"
#include "quant/analysis.h"
#include "quant/decisions.h"

namespace tersor {
namespace {

Port port_of(const ir::Value& value) {
  Port p;
  p.name = value.name;
  p.dtype = value.type.elem;
  p.ranked = value.type.shape.has_value();
  p.shape_text = p.ranked ? ir::to_string(*value.type.shape) : "[...]";
  if (p.ranked)
    for (const ir::Dim& d : *value.type.shape) {
      p.dims.push_back(d.value);
      p.names.push_back(d.symbol);
    }
  return p;
}

std::string full_name(const ir::Node& node) {
  return node.domain.empty() || node.domain == "ai.onnx" ? node.op : node.domain + "." + node.op;
}

// How an operator takes part in 8 bits.
std::string part_in_int8(const ops::Operator* op) {
  if (!op) return "not supported";
  switch (op->traits.quant) {
    case ops::QuantClass::kWeighted:
      return "yes";
    case ops::QuantClass::kMoves:
      return "moves 8-bit values";
    case ops::QuantClass::kMaps:
      return "by table, or fused";
    case ops::QuantClass::kCombines:
      return op->bind ? "yes, between 8-bit layers" : "stays float";
    case ops::QuantClass::kNone:
      return "stays float";
  }
  return {};
}

class Survey {
 public:
  explicit Survey(const ir::Model& model) : model_(model) {
    try {
      ops::infer_shapes(model_);
    } catch (const Error&) {
      // Shapes stay as the file declares them.
    }
  }

  ModelInfo run(const ir::Model& as_read) {
    info_.ir_version = as_read.ir_version;
    info_.opset = as_read.opset();
    info_.producer = as_read.producer_name +
                     (as_read.producer_version.empty() ? "" : " " + as_read.producer_version);
    for (const auto& [key, value] : as_read.metadata) info_.metadata[key] = value;
    for (ir::ValueId id : as_read.graph.required_inputs())
      info_.inputs.push_back(port_of(as_read.graph.values[id]));
    for (ir::ValueId id : model_.graph.outputs)
      info_.outputs.push_back(port_of(model_.graph.values[id]));
    info_.nodes = static_cast<int64_t>(as_read.graph.nodes.size());
    info_.quantize_nodes = quant::quantize_nodes(as_read);
    visit(model_.graph);
    count_quantizable();
    std::ranges::stable_sort(info_.operators, std::greater<>(), &OperatorCount::count);
    return std::move(info_);
  }

 private:
  void add_weights(const Tensor& t) {
    info_.parameters += t.count();
    info_.weight_bytes += t.bytes();
    info_.parameter_types[tensor::name(t.dtype())] += t.count();
  }

  void visit(const ir::Graph& g) {
    for (const ir::Value& v : g.values)
      if (v.constant) add_weights(*v.constant);
    for (const ir::Node& node : g.nodes) {
      const ops::Operator* op = ops::find(node.domain, node.op, model_.opset(node.domain));
      const std::string name = full_name(node);
      auto it = std::ranges::find(info_.operators, name, &OperatorCount::op);
      if (it == info_.operators.end()) {
        info_.operators.push_back({.op = name, .int8 = part_in_int8(op)});
        it = info_.operators.end() - 1;
        const bool is_function = std::ranges::any_of(model_.functions, [&](const ir::Function& f) {
          return f.name == node.op && f.domain == node.domain;
        });
        if (!op && is_function) it->int8 = "function";
        if (!op && !is_function)
          info_.unsupported.push_back(fmt::format("{} (node {})", name, base::quoted(node.name)));
      }
      int64_t parameters = 0;
      for (ir::ValueId id : node.inputs)
        if (const Tensor* t = g.constant(id)) parameters += t->count();
      if (node.op == "Constant")
        if (const Tensor* t = node.attr_tensor("value")) {
          add_weights(*t);
          parameters = t->count();
        }
      const int64_t macs = ops::multiply_accumulates(g, node);
      ++it->count;
      it->parameters += parameters;
      it->macs += macs;
      info_.macs += macs;
      const ir::ValueId out = node.output(0);
      const Port port = out == ir::kNone ? Port{} : port_of(g.values[out]);
      info_.layers.push_back({.name = node.name,
                              .op = name,
                              .output = port.name,
                              .shape_text = port.shape_text,
                              .dtype = out == ir::kNone ? "" : tensor::name(port.dtype),
                              .parameters = parameters,
                              .macs = macs,
                              .quantizable = false});
      for (const auto& body : ir::subgraphs(node)) visit(*body);
    }
  }

  // As quantize would see it: after simplification, if that is possible.
  void count_quantizable() {
    ir::Model simple = model_;
    try {
      passes::simplify(simple, {.min_opset = 13});
    } catch (const Error&) {
      simple = model_;
    }
    const quant::Analysis a = quant::analyse(simple, {}, {});
    for (size_t n = 0; n < a.nodes.size(); ++n) {
      if (!a.nodes[n].weighted) continue;
      ++info_.weighted;
      info_.quantizable += a.nodes[n].quantized;
      if (a.nodes[n].quantized)
        for (NodeInfo& layer : info_.layers)
          layer.quantizable |=
              layer.name == simple.graph.nodes[n].name && layer.op == simple.graph.nodes[n].op;
    }
  }

  ir::Model model_;
  ModelInfo info_;
};

}  // namespace

ModelInfo Model::info() const { return Survey(impl_->model).run(impl_->model); }

}  // namespace tersor
