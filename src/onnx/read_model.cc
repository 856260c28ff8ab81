#include "onnx/read_model.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
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
  explicit Reader(Source source) : source_(std::move(source)) {}

  ir::Model model(pb::ModelProto& proto) {
    ir::Model m;
    m.ir_version = proto.ir_version();
    for (const auto& set : proto.opset_import()) m.opsets[set.domain()] = set.version();
    m.producer_name = proto.producer_name();
    m.producer_version = proto.producer_version();
    m.domain = proto.domain();
    m.doc = proto.doc_string();
    m.model_version = proto.model_version();
    for (const auto& entry : proto.metadata_props())
      m.metadata.emplace_back(entry.key(), entry.value());
    check_functions(proto);
    for (auto& f : *proto.mutable_functions())
      m.functions.push_back(base::with_frame([&] { return function(f); },
                                             [&] { return "function " + base::quoted(f.name()); }));
    m.graph = graph(*proto.mutable_graph(), 1);
    proto.clear_graph();
    proto.clear_functions();
    // The rest stays, so that what nobody changes is written as it was.
    m.extra = rest(proto);
    return m;
  }

 private:
  static void check_functions(const pb::ModelProto& proto) {
    std::set<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
    for (const auto& f : proto.functions())
      if (!seen.emplace(f.domain(), f.name(), f.overload()).second)
        base::fail_input("E19", "two functions are named {}", base::quoted(f.name()));
  }

  using Names = std::unordered_map<std::string, ir::ValueId>;

  static ir::ValueId lookup(ir::Graph& g, Names& names, const std::string& name) {
    if (name.size() > limits::kNameBytes)
      base::fail(ErrorKind::kLimit, "E60", "a name has {} bytes, more than the limit of {}",
                 name.size(), limits::kNameBytes);
    const auto [it, fresh] = names.emplace(name, 0);
    if (fresh) it->second = g.add_value(name);
    return it->second;
  }

  // A graph input, or the only statement about a value.
  static ir::ValueId declare(ir::Graph& g, ir::ValueId id, pb::ValueInfoProto& info) {
    ir::Value& value = g.values[id];
    value.declared = true;
    // What an initializer is, its own bytes know best.
    if (!value.constant) value.type = type_of(info.type());
    clear_notes(info);
    value.extra = rest(info);
    return id;
  }
  static void clear_notes(pb::ValueInfoProto& info) {
    info.clear_tersor_position();
    info.clear_tersor_listed();
    info.clear_tersor_output();
  }

  // A further statement about a value: kept where it differs from the first.
  static void declare_output(ir::Graph& g, ir::ValueId id, pb::ValueInfoProto& info) {
    ir::Value& value = g.values[id];
    if (!value.declared) {
      declare(g, id, info);
      return;
    }
    clear_notes(info);
    if (rest(info) == value.extra) return;
    if (value.type.kind == ir::Type::Kind::kUnknown) value.type = type_of(info.type());
    pb::ValueInfoProto first;
    first.ParsePartialFromString(value.extra);
    *first.mutable_tersor_output() = info;
    value.extra = rest(first);
  }
  // False if the list names the value a second time.
  static bool declare_listed(ir::Graph& g, ir::ValueId id, pb::ValueInfoProto& info,
                             uint32_t position) {
    ir::Value& value = g.values[id];
    pb::ValueInfoProto first;
    if (!value.declared) {
      declare(g, id, info);
      first = std::move(info);
    } else {
      first.ParsePartialFromString(value.extra);
      if (first.has_tersor_position()) return false;
      pb::ValueInfoProto plain = first;
      clear_notes(plain);
      clear_notes(info);
      if (rest(plain) != rest(info)) *first.mutable_tersor_listed() = info;
    }
    first.set_tersor_position(position);
    value.extra = rest(first);
    return true;
  }

  // `nesting` counts this graph and those around it.
  ir::Graph graph(pb::GraphProto& proto, int nesting) {
    if (nesting > limits::kGraphNesting)
      base::fail(ErrorKind::kLimit, "E60", "graphs are nested deeper than {}",
                 limits::kGraphNesting);
    if (proto.node_size() > limits::kNodes)
      base::fail(ErrorKind::kLimit, "E60", "the graph has more than {} nodes", limits::kNodes);
    ir::Graph g;
    g.name = proto.name();
    Names names;
    size_t place = 0;
    for (auto& initializer : *proto.mutable_initializer()) {
      const Deferred* deferred = nullptr;
      if (nesting == 1 && source_.deferred)
        if (const auto it = source_.deferred->find(place); it != source_.deferred->end())
          deferred = &it->second;
      ++place;
      const ir::ValueId id = lookup(g, names, initializer.name());
      if (g.values[id].constant)
        base::fail_input("E19", "two initializers are named {}", base::quoted(g.values[id].name));
      Tensor t = take_tensor(initializer, source_, deferred);
      g.values[id].type = ir::Type::tensor(t.dtype(), ir::to_shape(t.dims()));
      g.values[id].constant = std::move(t);
      initializer.clear_name();
      g.values[id].tensor_extra = rest(initializer);
    }
    for (auto& info : *proto.mutable_input()) {
      const ir::ValueId id = lookup(g, names, info.name());
      if (g.values[id].declared)
        base::fail_input("E19", "two inputs are named {}", base::quoted(info.name()));
      g.inputs.push_back(declare(g, id, info));
    }
    for (auto& info : *proto.mutable_output()) {
      const ir::ValueId id = lookup(g, names, info.name());
      declare_output(g, id, info);
      g.outputs.push_back(id);
    }
    nodes(g, names, *proto.mutable_node(), nesting);
    // Statements about values that are not there stay among what is not modelled.
    pb::GraphProto strays;
    uint32_t position = 0;
    for (auto& info : *proto.mutable_value_info()) {
      ++position;
      const auto it = names.find(info.name());
      if (it != names.end() && declare_listed(g, it->second, info, position)) continue;
      clear_notes(info);
      info.set_tersor_position(position);
      *strays.add_value_info() = std::move(info);
    }
    for (const auto& sparse : proto.sparse_initializer())
      if (names.contains(sparse.values().name()))
        base::fail_unsupported("initializer {} is a sparse tensor",
                               base::quoted(sparse.values().name()));
    resolve(g, nesting > 1);
    g.sort();
    proto.clear_initializer();
    proto.clear_input();
    proto.clear_output();
    proto.clear_node();
    proto.mutable_value_info()->Swap(strays.mutable_value_info());
    if (!g.name.empty()) proto.clear_name();
    g.extra = rest(proto);
    return g;
  }

  // Every value has one maker. Those nobody makes here are captures in a subgraph, an error
  // elsewhere.
  static void resolve(ir::Graph& g, bool inner) {
    std::vector<bool> made(g.values.size(), false), read(g.values.size(), false);
    for (size_t v = 0; v < g.values.size(); ++v) made[v] = g.values[v].constant.has_value();
    for (ir::ValueId id : g.inputs) made[id] = true;
    for (const ir::Node& node : g.nodes) {
      for (ir::ValueId id : node.inputs)
        if (id != ir::kNone) read[id] = true;
      for (ir::ValueId id : node.outputs) {
        if (id == ir::kNone) continue;
        if (made[id])
          throw Error(
              ErrorKind::kInput, "E19",
              fmt::format("two values are named {} (node {}, {})", base::quoted(g.values[id].name),
                          base::quoted(node.name), base::printable(node.op)),
              "every value needs a name of its own");
        made[id] = true;
      }
    }
    for (ir::ValueId id : g.outputs) read[id] = true;
    for (size_t v = 0; v < g.values.size(); ++v) {
      if (made[v] || !read[v]) continue;
      if (!inner) missing_maker(g, static_cast<ir::ValueId>(v));
      g.captures.push_back(static_cast<ir::ValueId>(v));
    }
  }

  [[noreturn]] static void missing_maker(const ir::Graph& g, ir::ValueId id) {
    for (const ir::Node& node : g.nodes)
      if (std::ranges::count(node.inputs, id))
        base::fail_input("E27", "value {} is read by node {} ({}) but nothing makes it",
                         base::quoted(g.values[id].name), base::quoted(node.name),
                         base::printable(node.op));
    base::fail_input("E27", "output {} is made by nothing", base::quoted(g.values[id].name));
  }

  void nodes(ir::Graph& g, Names& names, google::protobuf::RepeatedPtrField<pb::NodeProto>& list,
             int nesting) {
    g.nodes.reserve(static_cast<size_t>(list.size()));
    for (pb::NodeProto& proto : list)
      g.nodes.push_back(base::with_frame([&] { return node(g, names, proto, nesting); },
                                         [&] {
                                           return fmt::format("node {} ({})",
                                                              base::quoted(proto.name()),
                                                              base::printable(proto.op_type()));
                                         }));
  }

  ir::Node node(ir::Graph& g, Names& names, pb::NodeProto& proto, int nesting) {
    if (proto.input_size() > limits::kNodeInputs || proto.output_size() > limits::kNodeInputs)
      base::fail(ErrorKind::kLimit, "E60", "it has more than {} inputs or outputs",
                 limits::kNodeInputs);
    ir::Node n;
    n.name = proto.name();
    n.op = proto.op_type();
    n.domain = proto.domain();
    n.overload = proto.overload();
    for (const std::string& name : proto.input())
      n.inputs.push_back(name.empty() ? ir::kNone : lookup(g, names, name));
    for (const std::string& name : proto.output())
      n.outputs.push_back(name.empty() ? ir::kNone : lookup(g, names, name));
    for (auto& a : *proto.mutable_attribute()) {
      if (n.has(a.name()))
        base::fail_input("E19", "two attributes are named {}", base::quoted(a.name()));
      n.attributes.push_back(attribute(a, nesting));
    }
    proto.clear_input();
    proto.clear_output();
    proto.clear_attribute();
    // An empty string that is there is told from one that is not by what stays here.
    if (!n.name.empty()) proto.clear_name();
    if (!n.domain.empty()) proto.clear_domain();
    if (!n.overload.empty()) proto.clear_overload();
    if (!n.op.empty()) proto.clear_op_type();
    n.extra = rest(proto);
    // Clearing keeps memory for reuse; of a large graph that would be a second copy.
    proto = pb::NodeProto();
    return n;
  }

  static int kind_of(const pb::AttributeProto& proto) {
    if (proto.type() != 0) return proto.type();
    // Files of early versions leave the type to the field that is set.
    return proto.has_f()          ? 1
           : proto.has_i()        ? 2
           : proto.has_s()        ? 3
           : proto.has_t()        ? 4
           : proto.has_g()        ? 5
           : proto.floats_size()  ? 6
           : proto.ints_size()    ? 7
           : proto.strings_size() ? 8
           : proto.tensors_size() ? 9
           : proto.graphs_size()  ? 10
                                  : 0;
  }

  ir::Attribute attribute(pb::AttributeProto& proto, int nesting) {
    proto.clear_tersor_unset();
    proto.clear_tersor_untyped();
    ir::Attribute a;
    a.name = proto.name();
    const int type = kind_of(proto);
    if (!proto.ref_attr_name().empty()) {
      a.data = ir::Attribute::Reference{proto.ref_attr_name(), type};
      proto.clear_ref_attr_name();
    } else if (!take_value(proto, type, nesting, a)) {
      a.data = ir::Attribute::Opaque{rest(proto)};
      return a;
    }
    if (!proto.has_type()) proto.set_tersor_untyped(true);
    proto.clear_type();
    proto.clear_name();
    a.extra = rest(proto);
    return a;
  }

  // False for the kinds that are not modelled.
  bool take_value(pb::AttributeProto& proto, int type, int nesting, ir::Attribute& a) {
    const auto unset_if = [&](bool unset) {
      if (unset) proto.set_tersor_unset(true);
    };
    switch (type) {
      case 1:
        a.data = proto.f();
        unset_if(!proto.has_f());
        proto.clear_f();
        return true;
      case 2:
        a.data = proto.i();
        unset_if(!proto.has_i());
        proto.clear_i();
        return true;
      case 3:
        check_string(a.name, proto.s());
        a.data = proto.s();
        unset_if(!proto.has_s());
        proto.clear_s();
        return true;
      case 4:
        if (!proto.has_t())
          base::fail_input("E23", "attribute {} holds no tensor", base::quoted(a.name));
        a.data = take_tensor(*proto.mutable_t(), source_);
        return true;
      case 5:
        if (!proto.has_g())
          base::fail_input("E23", "attribute {} holds no graph", base::quoted(a.name));
        a.data = std::make_shared<const ir::Graph>(graph(*proto.mutable_g(), nesting + 1));
        proto.clear_g();
        return true;
      case 6:
        a.data = std::vector<float>(proto.floats().begin(), proto.floats().end());
        proto.clear_floats();
        return true;
      case 7:
        a.data = std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
        proto.clear_ints();
        return true;
      case 8:
        for (const std::string& s : proto.strings()) check_string(a.name, s);
        a.data = std::vector<std::string>(proto.strings().begin(), proto.strings().end());
        proto.clear_strings();
        return true;
      case 9: {
        std::vector<Tensor> tensors;
        for (auto& t : *proto.mutable_tensors()) tensors.push_back(take_tensor(t, source_));
        a.data = std::move(tensors);
        return true;
      }
      case 10: {
        std::vector<ir::Attribute::GraphPtr> graphs;
        for (auto& g : *proto.mutable_graphs())
          graphs.push_back(std::make_shared<const ir::Graph>(graph(g, nesting + 1)));
        a.data = std::move(graphs);
        proto.clear_graphs();
        return true;
      }
      default:
        return false;
    }
  }

  static void check_string(const std::string& name, const std::string& value) {
    if (value.size() > limits::kStringAttributeBytes)
      base::fail(ErrorKind::kLimit, "E60", "attribute {} is longer than {} bytes",
                 base::quoted(name), limits::kStringAttributeBytes);
  }

  ir::Function function(pb::FunctionProto& proto) {
    ir::Function f;
    f.raw = rest(proto);
    f.name = proto.name();
    f.domain = proto.domain();
    f.overload = proto.overload();
    for (const auto& set : proto.opset_import()) f.opsets[set.domain()] = set.version();
    f.attributes.assign(proto.attribute().begin(), proto.attribute().end());
    for (auto& a : *proto.mutable_attribute_proto()) f.defaults.push_back(attribute(a, 1));
    Names names;
    f.body.name = f.name;
    for (const std::string& name : proto.input()) {
      if (names.contains(name))
        base::fail_input("E19", "two inputs are named {}", base::quoted(name));
      f.body.inputs.push_back(lookup(f.body, names, name));
    }
    nodes(f.body, names, *proto.mutable_node(), 1);
    for (const std::string& name : proto.output())
      f.body.outputs.push_back(lookup(f.body, names, name));
    resolve(f.body, false);
    f.body.sort();
    return f;
  }

  Source source_;
};

}  // namespace

ir::Model model_of(pb::ModelProto& proto, const Source& source) {
  return Reader(source).model(proto);
}

}  // namespace tersor::onnx
