#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "onnx/onnx.h"
#include "onnx/tensor_proto.h"
#include "onnx/type_proto.h"

namespace tersor::onnx {
namespace {

// A message that starts from what was kept of the original.
template <typename Message>
void revive(Message& message, const std::string& extra) {
  message.Clear();
  if (!extra.empty() && !message.ParsePartialFromString(extra))
    throw Error(ErrorKind::kInternal, "E74", "kept parts of the model do not parse");
}

bool same_type(const ir::Type& a, const ir::Type& b) {
  if (a.kind != b.kind || a.raw != b.raw || a.elem != b.elem) return false;
  if (a.shape.has_value() != b.shape.has_value()) return false;
  if (!a.shape) return true;
  if (a.shape->size() != b.shape->size()) return false;
  for (size_t i = 0; i < a.shape->size(); ++i)
    if ((*a.shape)[i].value != (*b.shape)[i].value || (*a.shape)[i].symbol != (*b.shape)[i].symbol)
      return false;
  return true;
}

void put_info(const ir::Value& value, pb::ValueInfoProto& info) {
  revive(info, value.extra);
  if (!same_type(type_of(info.type()), value.type)) put_type(value.type, *info.mutable_type());
  info.set_name(value.name);
}

void put_graph(const ir::Graph& g, pb::GraphProto& proto);

void put_attribute(const ir::Attribute& a, pb::AttributeProto& proto) {
  if (const auto* opaque = std::get_if<ir::Attribute::Opaque>(&a.data)) {
    revive(proto, opaque->bytes);
    return;
  }
  revive(proto, a.extra);
  proto.set_name(a.name);
  const auto put = [&](int type) { proto.set_type(type); };
  if (const auto* f = std::get_if<float>(&a.data)) {
    proto.set_f(*f);
    put(1);
  } else if (const auto* i = std::get_if<int64_t>(&a.data)) {
    proto.set_i(*i);
    put(2);
  } else if (const auto* s = std::get_if<std::string>(&a.data)) {
    proto.set_s(*s);
    put(3);
  } else if (const auto* t = std::get_if<Tensor>(&a.data)) {
    put_tensor(*t, *proto.mutable_t());
    put(4);
  } else if (const auto* g = std::get_if<ir::Attribute::GraphPtr>(&a.data)) {
    put_graph(**g, *proto.mutable_g());
    put(5);
  } else if (const auto* floats = std::get_if<std::vector<float>>(&a.data)) {
    proto.mutable_floats()->Assign(floats->begin(), floats->end());
    put(6);
  } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&a.data)) {
    proto.mutable_ints()->Assign(ints->begin(), ints->end());
    put(7);
  } else if (const auto* strings = std::get_if<std::vector<std::string>>(&a.data)) {
    proto.mutable_strings()->Assign(strings->begin(), strings->end());
    put(8);
  } else if (const auto* reference = std::get_if<ir::Attribute::Reference>(&a.data)) {
    proto.set_ref_attr_name(reference->name);
    put(reference->type);
  } else {
    throw Error(ErrorKind::kInternal, "E75", "an attribute of a kind that is never written");
  }
}

void put_graph(const ir::Graph& g, pb::GraphProto& proto) {
  revive(proto, g.extra);
  proto.set_name(g.name);
  std::vector<bool> public_value(g.values.size(), false);
  for (ir::ValueId id : g.inputs) {
    put_info(g.values[id], *proto.add_input());
    public_value[id] = true;
  }
  for (ir::ValueId id : g.outputs) {
    put_info(g.values[id], *proto.add_output());
    public_value[id] = true;
  }
  for (size_t v = 0; v < g.values.size(); ++v) {
    const ir::Value& value = g.values[v];
    if (value.constant) {
      auto& t = *proto.add_initializer();
      revive(t, value.tensor_extra);
      t.set_name(value.name);
      put_tensor(*value.constant, t);
    }
    if (value.declared && !public_value[v]) put_info(value, *proto.add_value_info());
  }
  for (const ir::Node& node : g.nodes) {
    auto& n = *proto.add_node();
    revive(n, node.extra);
    const auto name_of = [&](ir::ValueId id) {
      return id == ir::kNone ? std::string() : g.values[id].name;
    };
    for (ir::ValueId id : node.inputs) n.add_input(name_of(id));
    for (ir::ValueId id : node.outputs) n.add_output(name_of(id));
    if (!node.name.empty()) n.set_name(node.name);
    n.set_op_type(node.op);
    if (!node.domain.empty()) n.set_domain(node.domain);
    if (!node.overload.empty()) n.set_overload(node.overload);
    for (const ir::Attribute& a : node.attributes) put_attribute(a, *n.add_attribute());
  }
}

}  // namespace

std::string write_bytes(const ir::Model& model) {
  uint64_t weights = 0;
  for (const ir::Value& value : model.graph.values)
    if (value.constant) weights += value.constant->bytes();
  if (weights > limits::kModelFileBytes - (uint64_t{16} << 20))
    base::fail(ErrorKind::kLimit, "E60", "the model has {} bytes of weights, more than one file can hold",
               weights);
  pb::ModelProto proto;
  revive(proto, model.extra);
  proto.set_ir_version(model.ir_version);
  std::map<std::string, int64_t> kept;
  for (const auto& set : proto.opset_import()) kept[set.domain()] = set.version();
  if (kept != model.opsets) {
    proto.clear_opset_import();
    for (const auto& [domain, version] : model.opsets) {
      auto& set = *proto.add_opset_import();
      set.set_domain(domain);
      set.set_version(version);
    }
  }
  if (!model.producer_name.empty()) proto.set_producer_name(model.producer_name);
  if (!model.producer_version.empty()) proto.set_producer_version(model.producer_version);
  for (const auto& [key, value] : model.metadata) {
    auto& entry = *proto.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  put_graph(model.graph, *proto.mutable_graph());
  for (const ir::Function& f : model.functions) {
    pb::FunctionProto function;
    revive(function, f.raw);
    *proto.add_functions() = std::move(function);
  }
  std::string bytes;
  if (!proto.SerializePartialToString(&bytes))
    base::fail(ErrorKind::kLimit, "E60", "the model does not fit one file of {} bytes",
               limits::kModelFileBytes);
  return bytes;
}

void write(const ir::Model& model, const std::filesystem::path& path, bool force) {
  base::check_output(path, force);
  base::write_file(path, write_bytes(model), force);
}

std::string tensor_bytes(const Tensor& tensor, const std::string& name) {
  pb::TensorProto proto;
  proto.set_name(name);
  put_tensor(tensor, proto);
  return proto.SerializePartialAsString();
}

}  // namespace tersor::onnx
