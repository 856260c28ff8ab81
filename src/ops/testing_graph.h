// For tests of this room and those above it: small models written down in code.
#pragma once

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ops/infer.h"

namespace tersor::ops::testing {

inline Tensor random_tensor(Dims dims, unsigned seed, float spread = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> number(0, spread);
  Tensor t = Tensor::empty(DType::kFloat32, std::move(dims));
  for (float& v : t.mutable_data<float>()) v = number(rng);
  return t;
}

// Values are named as asked, nodes "node_<first output>", weights have fixed random numbers.
class Builder {
 public:
  explicit Builder(int64_t opset = 17) { model.opsets[""] = opset; }
  ir::ValueId input(const std::string& name, ir::Shape shape) {
    const auto id =
        model.graph.add_value(name, ir::Type::tensor(DType::kFloat32, std::move(shape)));
    model.graph.inputs.push_back(id);
    return id;
  }
  ir::ValueId constant(const std::string& name, Tensor t) {
    return model.graph.add_constant(name, std::move(t));
  }
  ir::ValueId weight(const std::string& name, Dims dims, float spread = 0.3F) {
    return constant(name, random_tensor(std::move(dims), ++seed_, spread));
  }
  ir::ValueId op(const std::string& kind, std::vector<ir::ValueId> inputs,
                 const std::string& name) {
    ir::Node node;
    node.op = kind;
    node.name = "node_" + name;
    node.inputs = std::move(inputs);
    const auto out = model.graph.add_value(name);
    node.outputs = {out};
    model.graph.nodes.push_back(std::move(node));
    return out;
  }
  // The node made last, for its attributes.
  ir::Node& last() { return model.graph.nodes.back(); }
  // 3 x 3, with padding.
  ir::ValueId conv(ir::ValueId x, int64_t in, int64_t out, const std::string& name) {
    const auto y =
        op("Conv", {x, weight(name + "_w", {out, in, 3, 3}), weight(name + "_b", {out})}, name);
    last().set("pads", std::vector<int64_t>{1, 1, 1, 1});
    return y;
  }
  ir::Model finish(std::vector<ir::ValueId> outputs) {
    model.graph.outputs = std::move(outputs);
    infer_shapes(model);
    return model;
  }

  ir::Model model;

 private:
  unsigned seed_ = 0;
};

// Conv, Relu, Conv, residual Add, Relu, pooling, Flatten, Gemm. x [N, 3, 8, 8] -> y [N, 5].
inline ir::Model residual_model() {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 3, 8, 8});
  const auto a = b.op("Relu", {b.conv(x, 3, 4, "c1")}, "r1");
  const auto sum = b.op("Add", {b.conv(a, 4, 4, "c2"), a}, "sum");
  const auto pool = b.op("GlobalAveragePool", {b.op("Relu", {sum}, "r2")}, "pool");
  const auto flat = b.op("Flatten", {pool}, "flat");
  return b.finish({b.op("Gemm", {flat, b.weight("g_w", {4, 5}), b.weight("g_b", {5})}, "y")});
}

}  // namespace tersor::ops::testing
