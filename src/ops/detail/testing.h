// For tests: one node, run by its reference or inferred.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "ops/infer.h"

namespace tersor::ops::testing {

using Attributes = std::vector<std::pair<std::string, ir::Attribute::Data>>;

inline ir::Node make_node(const std::string& op, const Attributes& attributes, size_t inputs,
                          size_t outputs) {
  ir::Node node;
  node.op = op;
  node.name = "n";
  for (size_t i = 0; i < inputs; ++i) node.inputs.push_back(static_cast<ir::ValueId>(i));
  for (size_t i = 0; i < outputs; ++i) node.outputs.push_back(static_cast<ir::ValueId>(inputs + i));
  for (const auto& [name, data] : attributes) node.set(name, data);
  return node;
}

// Undefined tensors stand for absent inputs.
inline std::vector<Tensor> run(const std::string& op, int opset, const std::vector<Tensor>& inputs,
                               const Attributes& attributes = {}, size_t outputs = 1) {
  ir::Model model;
  model.opsets[""] = opset;
  const ir::Node node = make_node(op, attributes, inputs.size(), outputs);
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(t.defined() ? &t : nullptr);
  return interpret(node, model, pointers);
}

inline std::vector<float> floats(const Tensor& t) {
  const Tensor f = tensor::to_float32(t);
  return {f.data<float>().begin(), f.data<float>().end()};
}
inline std::vector<int64_t> longs(const Tensor& t) { return tensor::to_int64s(t); }

// A graph built line by line; value() names what a line made.
struct Builder {
  ir::Model model;
  explicit Builder(int opset) { model.opsets[""] = opset; }
  ir::ValueId input(const std::string& name, DType type, std::optional<ir::Shape> shape) {
    const ir::ValueId id = model.graph.add_value(name, ir::Type::tensor(type, std::move(shape)));
    model.graph.inputs.push_back(id);
    return id;
  }
  ir::ValueId constant(Tensor t) {
    return model.graph.add_constant(model.graph.fresh_name("c"), std::move(t));
  }
  ir::ValueId longs(std::initializer_list<int64_t> v) {
    return constant(Tensor::vector(std::span<const int64_t>(v.begin(), v.size())));
  }
  ir::ValueId scalar(int64_t v) { return constant(Tensor::scalar<int64_t>(v)); }
  ir::ValueId op(const std::string& name, std::vector<ir::ValueId> inputs,
                 const Attributes& attributes = {}) {
    ir::Node node = make_node(name, attributes, 0, 0);
    node.inputs = std::move(inputs);
    node.outputs = {model.graph.add_value(model.graph.fresh_name("v"))};
    model.graph.nodes.push_back(node);
    return node.outputs[0];
  }
  // "[batch, 3]" after inference; "unknown" if even the rank is.
  std::string shape(ir::ValueId id) {
    infer_shapes(model);
    const auto& s = model.graph.values[id].type.shape;
    return s ? ir::to_string(*s) : "unknown";
  }
};

}  // namespace tersor::ops::testing
