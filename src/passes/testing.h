// Small graphs for the tests of this room, and the proof of a rewrite: the model run before and
// after.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "passes/pipeline.h"

namespace tersor::passes::testing {

using Attributes = std::vector<std::pair<std::string, ir::Attribute::Data>>;
using Ids = std::vector<ir::ValueId>;

// Deterministic numbers in [low, high).
Tensor floats(Dims dims, uint64_t seed, double low = -1, double high = 1,
              DType type = DType::kFloat32);
Tensor number(double value, DType type = DType::kFloat32);
Tensor ints(std::initializer_list<int64_t> values);

class GraphBuilder {
 public:
  explicit GraphBuilder(ir::Graph& graph) : graph_(graph) {}
  ir::Graph& graph() { return graph_; }
  ir::ValueId input(const std::string& name, ir::Shape shape, DType type = DType::kFloat32);
  ir::ValueId constant(Tensor tensor, const std::string& name = "");
  // One node with one output; its name is the operator's and a number.
  ir::ValueId add(const std::string& op, Ids inputs, Attributes attributes = {});
  Ids add_many(const std::string& op, Ids inputs, size_t outputs, Attributes attributes = {});
  // A value of the graphs around this one.
  ir::ValueId capture(const std::string& name);
  // The value, renamed, becomes a graph output with its type if that is given.
  void output(ir::ValueId v, const std::string& name, ir::Type type = {});

 private:
  ir::Graph& graph_;
};

// A model under construction; `b` builds its main graph.
struct Build {
  explicit Build(int64_t opset = 17) : b(model.graph) {
    model.opsets[""] = opset;
    model.graph.name = "g";
  }
  ir::Model model;
  GraphBuilder b;
};
// A body for If, Loop or Scan.
template <typename F>
ir::Attribute::GraphPtr body(const std::string& name, F&& fill) {
  auto graph = std::make_shared<ir::Graph>();
  graph->name = name;
  GraphBuilder b(*graph);
  fill(b);
  return graph;
}

// Nodes of that operator, in all graphs of the model.
int count(const ir::Model& model, const std::string& op);
// The only node of that operator in the main graph; the test fails if there is none.
const ir::Node& only(const ir::Model& model, const std::string& op);

// Largest difference relative to the largest magnitude of `want` (at least 1e-6); infinite if types
// or dimensions differ.
double difference(const Tensor& got, const Tensor& want);
// The results by the operators' references; functions of the model are inlined for it.
std::vector<Tensor> run(const ir::Model& model, std::span<const Tensor> inputs);
// Numbers for the inputs, symbols taken as 2 (or `symbols[name]`).
std::vector<Tensor> make_inputs(const ir::Model& model, uint64_t seed = 1);

struct Checked {
  ir::Model model;
  Report report;
};
// Simplifies a copy of the model and demands: consistency after every pass, outputs of the same
// names and types, the same results (within `tolerance`) on the inputs, nothing left to do, and the
// same after writing and reading.
Checked check(const ir::Model& model, const Options& options = {}, std::vector<Tensor> inputs = {},
              double tolerance = 1e-5);

}  // namespace tersor::passes::testing
