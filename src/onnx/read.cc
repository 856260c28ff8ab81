#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "onnx/identify.h"
#include "onnx/onnx.h"
#include "onnx/tensor_proto.h"
#include "onnx/type_proto.h"

namespace tersor::onnx {
namespace {

// What remains of a message once the modelled fields are cleared; empty for nearly all.
template <typename Message>
std::string rest(const Message& message) {
  return message.SerializePartialAsString();
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& folder) : folder_(folder) {}

  ir::Model model(pb::ModelProto& proto) {
    ir::Model m;
    m.ir_version = proto.ir_version();
    for (const auto& set : proto.opset_import()) m.opsets[set.domain()] = set.version();
    m.producer_name = proto.producer_name();
    m.producer_version = proto.producer_version();
    m.domain = proto.domain();
    m.doc = proto.doc_string();
    m.model_version = proto.model_version();
    for (const auto& entry : proto.metadata_props()) m.metadata.emplace_back(entry.key(), entry.value());
    for (auto& f : *proto.mutable_functions()) m.functions.push_back(function(f));
    m.graph = graph(*proto.mutable_graph(), 0, false);
    proto.clear_graph();
    proto.clear_functions();
    proto.clear_metadata_props();
    // Presence of the scalars is kept in the remainder; their values are the model's.
    m.extra = rest(proto);
    return m;
  }

 private:
  using Names = std::unordered_map<std::string, ir::ValueId>;

  ir::ValueId declare(ir::Graph& g, Names& names, pb::ValueInfoProto& info) {
    ir::ValueId id = lookup(g, names, info.name());
    ir::Value& value = g.values[id];
    value.declared = true;
    value.type = type_of(info.type());
    value.extra = info.SerializePartialAsString();
    return id;
  }

  static ir::ValueId lookup(ir::Graph& g, Names& names, const std::string& name) {
    if (name.size() > limits::kNameBytes)
      base::fail(ErrorKind::kLimit, "E60", "a name has {} bytes, more than the limit of {}",
                 name.size(), limits::kNameBytes);
    const auto [it, fresh] = names.emplace(name, 0);
    if (fresh) it->second = g.add_value(name);
    return it->second;
  }

  ir::Graph graph(pb::GraphProto& proto, int depth, bool inner) {
    if (depth > limits::kGraphNesting)
      base::fail(ErrorKind::kLimit, "E60", "graphs are nested deeper than {}",
                 limits::kGraphNesting);
    if (proto.node_size() > limits::kNodes)
      base::fail(ErrorKind::kLimit, "E60", "the graph has more than {} nodes", limits::kNodes);
    ir::Graph g;
    g.name = proto.name();
    Names names;
    std::vector<bool> made;
    const auto make = [&](ir::ValueId id) {
      made.resize(std::max(made.size(), g.values.size()), false);
      if (made[id])
        base::fail_input("E19", "two values are named {}", base::quoted(g.values[id].name));
      made[id] = true;
    };
    for (auto& initializer : *proto.mutable_initializer()) {
      const std::string name = initializer.name();
      const ir::ValueId id = lookup(g, names, name);
      if (g.values[id].constant)
        base::fail_input("E19", "two initializers are named {}", base::quoted(name));
      Tensor t = take_tensor(initializer, folder_);
      g.values[id].type = ir::Type::tensor(t.dtype(), ir::to_shape(t.dims()));
      g.values[id].constant = std::move(t);
      initializer.clear_name();
      g.values[id].tensor_extra = rest(initializer);
    }
    for (auto& info : *proto.mutable_input()) {
      const ir::ValueId id = declare(g, names, info);
      if (!g.values[id].constant) make(id);
      g.inputs.push_back(id);
    }
    for (size_t v = 0; v < g.values.size(); ++v)
      if (g.values[v].constant) make(static_cast<ir::ValueId>(v));
    for (auto& info : *proto.mutable_value_info()) declare(g, names, info);
    for (auto& info : *proto.mutable_output()) g.outputs.push_back(declare(g, names, info));
    nodes(g, names, *proto.mutable_node(), depth);
    for (const ir::Node& node : g.nodes)
      for (ir::ValueId id : node.outputs)
        if (id != ir::kNone) make(id);
    resolve(g, names, made, inner);
    g.sort();
    proto.clear_initializer();
    proto.clear_input();
    proto.clear_output();
    proto.clear_value_info();
    proto.clear_node();
    proto.clear_name();
    g.extra = rest(proto);
    return g;
  }

  // Values nobody makes here: captures of a subgraph, an error in a main graph.
  static void resolve(ir::Graph& g, const Names&, std::vector<bool>& made, bool inner) {
    made.resize(g.values.size(), false);
    std::vector<bool> read(g.values.size(), false);
    for (const ir::Node& node : g.nodes)
      for (ir::ValueId id : node.inputs)
        if (id != ir::kNone) read[id] = true;
    for (ir::ValueId id : g.outputs) read[id] = true;
    for (size_t v = 0; v < g.values.size(); ++v) {
      if (made[v] || !read[v]) continue;
      if (!inner)
        base::fail_input("E27", "value {} is read but nothing makes it",
                         base::quoted(g.values[v].name));
      g.captures.push_back(static_cast<ir::ValueId>(v));
    }
  }

  void nodes(ir::Graph& g, Names& names, google::protobuf::RepeatedPtrField<pb::NodeProto>& list,
             int depth) {
    g.nodes.reserve(static_cast<size_t>(list.size()));
    for (pb::NodeProto& proto : list) {
      if (proto.input_size() > limits::kNodeInputs || proto.output_size() > limits::kNodeInputs)
        base::fail(ErrorKind::kLimit, "E60", "node {} has more than {} inputs",
                   base::quoted(proto.name()), limits::kNodeInputs);
      ir::Node node;
      node.name = proto.name();
      node.op = proto.op_type();
      node.domain = proto.domain();
      node.overload = proto.overload();
      for (const std::string& name : proto.input())
        node.inputs.push_back(name.empty() ? ir::kNone : lookup(g, names, name));
      for (const std::string& name : proto.output())
        node.outputs.push_back(name.empty() ? ir::kNone : lookup(g, names, name));
      base::with_frame(
          [&] {
            for (auto& a : *proto.mutable_attribute()) node.attributes.push_back(attribute(a, depth));
          },
          [&] {
            return fmt::format("node {} ({})", base::quoted(node.name), base::printable(node.op));
          });
      proto.clear_input();
      proto.clear_output();
      proto.clear_attribute();
      // Presence of an empty name or domain is kept in the remainder.
      if (!proto.name().empty()) proto.clear_name();
      if (!proto.domain().empty()) proto.clear_domain();
      if (!proto.overload().empty()) proto.clear_overload();
      proto.clear_op_type();
      node.extra = rest(proto);
      g.nodes.push_back(std::move(node));
    }
  }

  ir::Attribute attribute(pb::AttributeProto& proto, int depth) {
    ir::Attribute a;
    a.name = proto.name();
    int type = proto.type();
    if (!proto.ref_attr_name().empty()) {
      a.data = ir::Attribute::Reference{proto.ref_attr_name(), type};
      proto.clear_ref_attr_name();
      proto.clear_type();
      proto.clear_name();
      a.extra = rest(proto);
      return a;
    }
    if (type == 0)  // IR versions before the field was required
      type = proto.has_f() ? 1 : proto.has_i() ? 2 : proto.has_s() ? 3 : proto.has_t() ? 4
             : proto.has_g() ? 5 : proto.floats_size() ? 6 : proto.ints_size() ? 7
             : proto.strings_size() ? 8 : 0;
    switch (type) {
      case 1:
        a.data = proto.f();
        proto.clear_f();
        break;
      case 2:
        a.data = proto.i();
        proto.clear_i();
        break;
      case 3:
        if (proto.s().size() > limits::kStringAttributeBytes)
          base::fail(ErrorKind::kLimit, "E60", "attribute {} is longer than {} bytes",
                     base::quoted(a.name), limits::kStringAttributeBytes);
        a.data = proto.s();
        proto.clear_s();
        break;
      case 4:
        a.data = take_tensor(*proto.mutable_t(), folder_);
        break;
      case 5:
        a.data = std::make_shared<const ir::Graph>(graph(*proto.mutable_g(), depth + 1, true));
        proto.clear_g();
        break;
      case 6:
        a.data = std::vector<float>(proto.floats().begin(), proto.floats().end());
        proto.clear_floats();
        break;
      case 7:
        a.data = std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
        proto.clear_ints();
        break;
      case 8:
        a.data = std::vector<std::string>(proto.strings().begin(), proto.strings().end());
        proto.clear_strings();
        break;
      default:
        a.data = ir::Attribute::Opaque{proto.SerializePartialAsString()};
        return a;
    }
    proto.clear_name();
    if (proto.has_type()) proto.clear_type();
    a.extra = rest(proto);
    return a;
  }

  ir::Function function(pb::FunctionProto& proto) {
    ir::Function f;
    f.raw = proto.SerializePartialAsString();
    f.name = proto.name();
    f.domain = proto.domain();
    f.overload = proto.overload();
    for (const auto& set : proto.opset_import()) f.opsets[set.domain()] = set.version();
    f.attributes.assign(proto.attribute().begin(), proto.attribute().end());
    for (auto& a : *proto.mutable_attribute_proto()) f.defaults.push_back(attribute(a, 0));
    Names names;
    f.body.name = f.name;
    for (const std::string& name : proto.input()) f.body.inputs.push_back(lookup(f.body, names, name));
    nodes(f.body, names, *proto.mutable_node(), 0);
    for (const std::string& name : proto.output())
      f.body.outputs.push_back(lookup(f.body, names, name));
    f.body.sort();
    return f;
  }

  std::filesystem::path folder_;
};

}  // namespace

ir::Model read_bytes(std::string_view bytes, const std::filesystem::path& folder,
                     const std::string& name) {
  refuse_other_formats(bytes, name);
  pb::ModelProto proto;
  if (bytes.size() > limits::kModelFileBytes)
    base::fail(ErrorKind::kLimit, "E60", "{} has {} bytes, more than the {} that protobuf allows",
               base::quoted(name), bytes.size(), limits::kModelFileBytes);
  if (!proto.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())))
    explain_parse_failure(bytes, name);
  if (!proto.has_graph() || proto.opset_import_size() == 0)
    base::fail_input("E02", "{} is not an ONNX model: it has no {}", base::quoted(name),
                     proto.has_graph() ? "opset" : "graph");
  return base::with_frame([&] { return Reader(folder).model(proto); },
                          [&] { return "file " + base::quoted(name); });
}

ir::Model read(const std::filesystem::path& path) {
  const std::string bytes = base::read_file(path, limits::kModelFileBytes);
  const auto folder = path == "-" || !path.has_parent_path() ? std::filesystem::path(".")
                                                            : path.parent_path();
  return read_bytes(bytes, folder, path == "-" ? "standard input" : path.string());
}

Tensor read_tensor(const std::filesystem::path& path) {
  const std::string bytes = base::read_file(path, limits::kModelFileBytes);
  pb::TensorProto proto;
  if (!proto.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())))
    base::fail_input("E29", "{} is not a TensorProto", base::quoted(path.string()));
  return take_tensor(proto, path.parent_path());
}

}  // namespace tersor::onnx
