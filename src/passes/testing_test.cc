#include "passes/testing.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "onnx/onnx.h"
#include "ops/infer.h"

namespace tersor::passes::testing {
namespace {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 1) {}
  double next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<double>(state_ >> 11) * 0x1p-53;
  }

 private:
  uint64_t state_;
};

std::vector<std::string> output_names(const ir::Model& model) {
  std::vector<std::string> names;
  for (ir::ValueId v : model.graph.outputs) names.push_back(model.graph.values[v].name);
  return names;
}

// The declared output still means the same: the same element type, and no dimension that
// contradicts.
void expect_same_types(const ir::Model& got, const ir::Model& want) {
  ASSERT_EQ(got.graph.outputs.size(), want.graph.outputs.size());
  for (size_t i = 0; i < want.graph.outputs.size(); ++i) {
    const ir::Type& a = got.graph.values[got.graph.outputs[i]].type;
    const ir::Type& b = want.graph.values[want.graph.outputs[i]].type;
    if (b.elem != DType::kUndefined) {
      EXPECT_EQ(a.elem, b.elem);
    }
    if (!a.shape || !b.shape) continue;
    ASSERT_EQ(a.shape->size(), b.shape->size());
    for (size_t d = 0; d < a.shape->size(); ++d)
      EXPECT_EQ((*a.shape)[d].value, (*b.shape)[d].value) << "output " << i << ", axis " << d;
  }
}

void expect_same_results(const ir::Model& model, std::span<const Tensor> inputs,
                         std::span<const Tensor> want, double tolerance, const char* when) {
  const std::vector<Tensor> got = run(model, inputs);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_LE(difference(got[i], want[i]), tolerance) << when << ", output " << i;
}

}  // namespace

Tensor floats(Dims dims, uint64_t seed, double low, double high, DType type) {
  Random random(seed);
  Tensor t = Tensor::empty(DType::kFloat64, std::move(dims));
  for (double& v : t.mutable_data<double>()) v = low + (high - low) * random.next();
  return tensor::cast(t, type);
}

Tensor number(double value, DType type) {
  return tensor::cast(Tensor::scalar<double>(value), type);
}

Tensor ints(std::initializer_list<int64_t> values) {
  return Tensor::vector(std::vector<int64_t>(values));
}

ir::ValueId GraphBuilder::input(const std::string& name, ir::Shape shape, DType type) {
  const ir::ValueId v = graph_.add_value(name, ir::Type::tensor(type, std::move(shape)));
  graph_.values[v].declared = true;
  graph_.inputs.push_back(v);
  return v;
}

ir::ValueId GraphBuilder::constant(Tensor tensor, const std::string& name) {
  return graph_.add_constant(graph_.fresh_name(name.empty() ? graph_.name + ".c" : name),
                             std::move(tensor));
}

Ids GraphBuilder::add_many(const std::string& op, Ids inputs, size_t outputs,
                           Attributes attributes) {
  ir::Node node;
  node.op = op;
  node.name = graph_.name + "." + op + "_" + std::to_string(graph_.nodes.size());
  node.inputs = std::move(inputs);
  for (size_t i = 0; i < outputs; ++i)
    node.outputs.push_back(graph_.add_value(graph_.fresh_name(node.name + ".y")));
  for (auto& [name, data] : attributes) node.set(name, std::move(data));
  graph_.nodes.push_back(std::move(node));
  return graph_.nodes.back().outputs;
}

ir::ValueId GraphBuilder::add(const std::string& op, Ids inputs, Attributes attributes) {
  return add_many(op, std::move(inputs), 1, std::move(attributes))[0];
}

ir::ValueId GraphBuilder::capture(const std::string& name) {
  const ir::ValueId v = graph_.add_value(name);
  graph_.captures.push_back(v);
  return v;
}

void GraphBuilder::output(ir::ValueId v, const std::string& name, ir::Type type) {
  graph_.values[v].name = name;
  if (type.kind != ir::Type::Kind::kUnknown) graph_.values[v].type = std::move(type);
  graph_.values[v].declared = true;
  graph_.outputs.push_back(v);
}

int count(const ir::Model& model, const std::string& op) {
  int found = 0;
  std::vector<const ir::Graph*> stack{&model.graph};
  while (!stack.empty()) {
    const ir::Graph* g = stack.back();
    stack.pop_back();
    for (const ir::Node& node : g->nodes) {
      found += node.op == op;
      for (const auto& inner : ir::subgraphs(node)) stack.push_back(inner.get());
    }
  }
  return found;
}

const ir::Node& only(const ir::Model& model, const std::string& op) {
  static const ir::Node none;
  const ir::Node* found = nullptr;
  for (const ir::Node& node : model.graph.nodes)
    if (node.op == op) {
      EXPECT_EQ(found, nullptr) << "two " << op;
      found = &node;
    }
  EXPECT_NE(found, nullptr) << "no " << op << " in\n" << ir::dump(model.graph);
  return found ? *found : none;
}

double difference(const Tensor& got, const Tensor& want) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  if (got.dtype() != want.dtype() || got.dims() != want.dims()) return kNever;
  if (want.dtype() == DType::kString) return got.strings() == want.strings() ? 0 : kNever;
  double largest = 1e-6, most = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double a = tensor::as_double(got, i), b = tensor::as_double(want, i);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (std::isinf(b) && a == b) continue;
    if (!std::isfinite(a) || !std::isfinite(b)) return kNever;
    largest = std::max(largest, std::abs(b));
    most = std::max(most, std::abs(a - b));
  }
  return most / largest;
}

std::vector<Tensor> run(const ir::Model& model, std::span<const Tensor> inputs) {
  if (model.functions.empty()) return ops::interpret(model.graph, model, inputs);
  ir::Model inlined = model;
  run_pass(inlined, "inline_functions");
  return ops::interpret(inlined.graph, inlined, inputs);
}

std::vector<Tensor> make_inputs(const ir::Model& model, uint64_t seed) {
  std::vector<Tensor> inputs;
  for (ir::ValueId v : model.graph.required_inputs()) {
    const ir::Type& type = model.graph.values[v].type;
    Dims dims;
    for (const ir::Dim& d : *type.shape) dims.push_back(d.known() ? d.value : 2);
    const bool real = type.elem == DType::kFloat32 || type.elem == DType::kFloat16 ||
                      type.elem == DType::kFloat64;
    inputs.push_back(real ? floats(dims, ++seed, -3, 3, type.elem)
                          : floats(dims, ++seed, 0, 2, type.elem));
  }
  return inputs;
}

Checked check(const ir::Model& model, const Options& options, std::vector<Tensor> inputs,
              double tolerance) {
  ir::Model inferred = model;
  ops::infer_shapes(inferred);
  ir::verify(inferred);
  if (inputs.empty()) inputs = make_inputs(inferred);
  const std::vector<Tensor> want = run(model, inputs);

  Checked result;
  result.model = model;
  Options strict = options;
  strict.verify_each = true;
  result.report = simplify(result.model, strict);
  EXPECT_EQ(output_names(result.model), output_names(model));
  expect_same_types(result.model, inferred);
  expect_same_results(result.model, inputs, want, tolerance, "simplified");

  if (!result.report.stopped) {
    ir::Model again = result.model;
    const Report second = simplify(again, strict);
    EXPECT_EQ(second.steps, 0) << to_string(second);
    EXPECT_EQ(ir::dump(again.graph), ir::dump(result.model.graph));
  }
  ir::Model read = onnx::read_bytes(onnx::write_bytes(result.model), ".");
  ops::infer_shapes(read);
  EXPECT_EQ(output_names(read), output_names(model));
  expect_same_types(read, inferred);
  expect_same_results(read, inputs, want, tolerance, "written and read");
  if (!result.report.stopped) {
    const Report third = simplify(read, strict);
    EXPECT_EQ(third.steps, 0) << "after reading: " << to_string(third);
  }
  return result;
}

}  // namespace tersor::passes::testing
