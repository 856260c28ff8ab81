// The graph form of a model: a value, always exportable. Knows no operator.
//
// Lossless: every part keeps, in `extra`, the serialized message fields that tersor does not model,
// so that what is not touched comes out unchanged. Weights are shared, so that copying a Model is
// cheap.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace tersor::ir {

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr int32_t kNone = -1;

// A dimension: a number, a named symbol ("batch", or an expression such as "2*seq"), or unknown.
struct Dim {
  int64_t value = -1;
  std::string symbol;
  Dim() = default;
  Dim(int64_t v) : value(v) {}                  // NOLINT: a number is a Dim
  Dim(std::string s) : symbol(std::move(s)) {}  // NOLINT
  bool known() const noexcept { return value >= 0; }
  // Equal for sure: the same number, or the same symbol.
  bool operator==(const Dim& o) const {
    return known() || o.known() ? value == o.value : !symbol.empty() && symbol == o.symbol;
  }
};
using Shape = std::vector<Dim>;
std::string to_string(const Dim& dim);      // "3", "batch", "?"
std::string to_string(const Shape& shape);  // "[batch, 3, 224, 224]"
Shape to_shape(std::span<const int64_t> dims);
// The dimensions if every one is a number.
std::optional<Dims> to_dims(const Shape& shape);

struct Type {
  enum class Kind : uint8_t {
    kUnknown,
    kTensor,
    kOther
  };  // kOther: sequence, optional, map, sparse
  Kind kind = Kind::kUnknown;
  DType elem = DType::kUndefined;
  std::optional<Shape> shape = {};  // nullopt: even the rank is unknown
  std::string raw = {};             // the serialized TypeProto of kOther
  // Contents of a small integer tensor whose elements are dimensions (the result of Shape
  // arithmetic): used while inferring, never written.
  std::optional<std::vector<Dim>> contents = {};

  static Type tensor(DType elem, std::optional<Shape> shape = {}) {
    return {Kind::kTensor, elem, std::move(shape), {}, {}};
  }
  int rank() const { return shape ? static_cast<int>(shape->size()) : -1; }
};

struct Graph;

struct Attribute {
  // A reference to an attribute of the enclosing function, by that attribute's name.
  struct Reference {
    std::string name;
    int type = 0;
  };
  // Kinds tersor does not model (type_proto, sparse tensors): the serialized AttributeProto.
  struct Opaque {
    std::string bytes;
  };
  using GraphPtr = std::shared_ptr<const Graph>;
  using Data = std::variant<float, int64_t, std::string, Tensor, GraphPtr, std::vector<float>,
                            std::vector<int64_t>, std::vector<std::string>, std::vector<Tensor>,
                            std::vector<GraphPtr>, Reference, Opaque>;
  std::string name;
  Data data;
  std::string extra;
};

struct Node {
  std::string name, op, domain;  // domain "" is ai.onnx
  std::vector<ValueId> inputs;   // kNone for an absent optional input
  std::vector<ValueId> outputs;  // likewise
  std::vector<Attribute> attributes;
  std::string overload;
  std::string origin;  // what made this node (a pass), empty for nodes of the file; not written
  std::string extra;

  const Attribute* find(std::string_view name) const;
  // The attribute's value, or the default; an Error if it has another type.
  int64_t attr_int(std::string_view name, int64_t otherwise) const;
  float attr_float(std::string_view name, float otherwise) const;
  std::string attr_string(std::string_view name, std::string_view otherwise) const;
  std::vector<int64_t> attr_ints(std::string_view name) const;  // empty if absent
  std::vector<float> attr_floats(std::string_view name) const;
  std::vector<std::string> attr_strings(std::string_view name) const;
  const Tensor* attr_tensor(std::string_view name) const;  // nullptr if absent
  std::shared_ptr<const Graph> attr_graph(std::string_view name) const;
  void set(std::string_view name, Attribute::Data data);
  void erase(std::string_view name);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNone; }
  ValueId output(size_t i) const { return i < outputs.size() ? outputs[i] : kNone; }
};

struct Value {
  std::string name;
  Type type = {};
  bool declared = false;  // has a value_info (or is a graph input or output) in the file
  std::optional<Tensor> constant = {};  // an initializer
  std::string extra = {};               // of its ValueInfoProto
  std::string tensor_extra = {};        // of its initializer's TensorProto (doc string, ...)
};

// Nodes stand in topological order. Ids index `values` and `nodes`; they stay valid until
// compact().
struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;  // as listed in the file; may contain initializers (IR < 4)
  std::vector<ValueId> outputs;
  // Values that a subgraph takes from the scopes around it, by name. Empty for a main graph.
  std::vector<ValueId> captures;
  std::string extra;

  ValueId add_value(std::string name, Type type = {});
  ValueId add_constant(std::string name, Tensor tensor);
  // A name no value of this graph has yet, made from `wish`.
  std::string fresh_name(std::string_view wish) const;
  ValueId find(std::string_view name) const;  // linear; kNone if absent
  const Tensor* constant(ValueId id) const {
    return id == kNone || !values[id].constant ? nullptr : &*values[id].constant;
  }
  // Inputs that a caller must give: listed, and no initializer.
  std::vector<ValueId> required_inputs() const;

  // Which node makes each value (kNone: input, constant, capture).
  std::vector<NodeId> producers() const;
  // Which nodes read each value, in order, each once per use; values captured by the subgraphs of a
  // node count as read by that node.
  std::vector<std::vector<NodeId>> consumers() const;
  bool is_output(ValueId id) const;
  // Every reader of `from` reads `to` instead, captures in subgraphs included; with `outputs`,
  // graph outputs too (then `to` takes over the public name).
  void replace_uses(ValueId from, ValueId to);
  // Puts nodes in topological order, keeping the given order where it can. An Error names a node of
  // a cycle.
  void sort();
  // Drops the nodes for which dead[i] holds, then values nobody refers to. Ids change.
  void erase_nodes(const std::vector<bool>& dead);
  void drop_unused_values();
};

// Names of outer values that `graph` (a subgraph) and the subgraphs inside it read.
std::vector<std::string> captured_names(const Graph& graph);
// The graphs in the attributes of a node.
std::vector<std::shared_ptr<const Graph>> subgraphs(const Node& node);

struct Function {
  std::string name, domain, overload;
  Graph body;
  std::vector<std::string> attributes;  // required ones
  std::vector<Attribute> defaults;
  std::map<std::string, int64_t> opsets;
  std::string raw;  // serialized FunctionProto: written as it is
};

struct Model {
  int64_t ir_version = 8;
  std::map<std::string, int64_t> opsets;  // domain -> version
  std::string producer_name, producer_version, domain, doc;
  int64_t model_version = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  Graph graph;
  std::vector<Function> functions;
  std::string extra;

  // Version of a domain ("" and "ai.onnx" are one); 0 if the model does not import it.
  int64_t opset(std::string_view domain = {}) const;
};

// Throws an internal Error that names what is wrong: ids out of range, two producers of one value,
// a node before its inputs, duplicate names.
void verify(const Model& model);
void verify(const Graph& graph);
// One line per node, for logs and tests.
std::string dump(const Graph& graph);

}  // namespace tersor::ir
