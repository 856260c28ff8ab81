#include <algorithm>
#include <unordered_set>

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

class Writer {
 public:
  explicit Writer(ExternalData* external) : external_(external) {}

  void model(const ir::Model& m, pb::ModelProto& proto) {
    revive(proto, m.extra);
    proto.set_ir_version(m.ir_version);
    opsets(m, proto);
    const auto text = [](const std::string& value, const std::string& kept, auto set) {
      if (value != kept) set(value);
    };
    text(m.producer_name, proto.producer_name(), [&](auto& v) { proto.set_producer_name(v); });
    text(m.producer_version, proto.producer_version(),
         [&](auto& v) { proto.set_producer_version(v); });
    text(m.domain, proto.domain(), [&](auto& v) { proto.set_domain(v); });
    text(m.doc, proto.doc_string(), [&](auto& v) { proto.set_doc_string(v); });
    if (m.model_version != proto.model_version()) proto.set_model_version(m.model_version);
    metadata(m, proto);
    graph(m.graph, *proto.mutable_graph());
    for (const ir::Function& f : m.functions) revive(*proto.add_functions(), f.raw);
  }

 private:
  static void opsets(const ir::Model& m, pb::ModelProto& proto) {
    std::map<std::string, int64_t> kept;
    for (const auto& set : proto.opset_import()) kept[set.domain()] = set.version();
    if (kept == m.opsets) return;
    proto.clear_opset_import();
    for (const auto& [domain, version] : m.opsets) {
      auto& set = *proto.add_opset_import();
      set.set_domain(domain);
      set.set_version(version);
    }
  }

  static void metadata(const ir::Model& m, pb::ModelProto& proto) {
    const bool same = std::ranges::equal(
        proto.metadata_props(), m.metadata,
        [](const auto& a, const auto& b) { return a.key() == b.first && a.value() == b.second; });
    if (same) return;
    proto.clear_metadata_props();
    for (const auto& [key, value] : m.metadata) {
      auto& entry = *proto.add_metadata_props();
      entry.set_key(key);
      entry.set_value(value);
    }
  }

  void tensor(const Tensor& t, pb::TensorProto& proto) {
    if (!external_ || !external_->take(t, proto)) put_tensor(t, proto);
  }

  // What was said of a value where it stood, unless the value has another type now.
  static void info(const ir::Value& value, pb::ValueInfoProto& proto) {
    const ir::Type said = type_of(proto.type());
    const bool keep = value.constant ? agrees(said, value.type) : same_type(said, value.type);
    if (!keep) put_type(value.type, *proto.mutable_type());
    if (!value.name.empty() || proto.has_name()) proto.set_name(value.name);
    proto.clear_tersor_position();
    proto.clear_tersor_listed();
    proto.clear_tersor_output();
  }
  // A statement that differed from the first in the file.
  static void further_info(const ir::Value& value, pb::ValueInfoProto said,
                           pb::ValueInfoProto& proto) {
    proto = std::move(said);
    if (!agrees(type_of(proto.type()), value.type)) put_type(value.type, *proto.mutable_type());
    if (!value.name.empty() || proto.has_name()) proto.set_name(value.name);
  }

  void public_values(const ir::Graph& g, pb::GraphProto& proto) {
    std::vector<bool> input(g.values.size(), false);
    for (ir::ValueId id : g.inputs) {
      auto& said = *proto.add_input();
      revive(said, g.values[id].extra);
      info(g.values[id], said);
      input[id] = true;
    }
    for (ir::ValueId id : g.outputs) {
      pb::ValueInfoProto said;
      revive(said, g.values[id].extra);
      if (said.has_tersor_output()) {
        further_info(g.values[id], std::move(*said.mutable_tersor_output()), *proto.add_output());
      } else {
        info(g.values[id], said);
        *proto.add_output() = std::move(said);
      }
    }
  }

  // Statements about the values between, in the order of the file; new ones follow.
  void listed_values(const ir::Graph& g, pb::GraphProto& proto) {
    std::unordered_set<std::string_view> names, listed;
    std::vector<bool> is_public(g.values.size(), false);
    for (ir::ValueId id : g.inputs) is_public[id] = true;
    for (ir::ValueId id : g.outputs) is_public[id] = true;
    std::vector<std::pair<uint32_t, pb::ValueInfoProto>> list;
    for (size_t v = 0; v < g.values.size(); ++v) {
      const ir::Value& value = g.values[v];
      names.insert(value.name);
      if (!value.declared) continue;
      pb::ValueInfoProto said;
      revive(said, value.extra);
      const uint32_t position = said.tersor_position();
      if (position == 0 && is_public[v]) continue;
      pb::ValueInfoProto out;
      if (said.has_tersor_listed()) {
        further_info(value, std::move(*said.mutable_tersor_listed()), out);
      } else {
        info(value, said);
        out = std::move(said);
      }
      list.emplace_back(position ? position : UINT32_MAX, std::move(out));
      listed.insert(value.name);
    }
    // Of the strays, those whose name somebody took since would be wrong; second statements of the
    // file are not.
    for (auto& stray : *proto.mutable_value_info()) {
      const uint32_t position = stray.tersor_position();
      stray.clear_tersor_position();
      if (listed.contains(stray.name()) || !names.contains(stray.name()))
        list.emplace_back(position, std::move(stray));
    }
    std::ranges::stable_sort(list, {}, [](const auto& entry) { return entry.first; });
    proto.clear_value_info();
    for (auto& entry : list) *proto.add_value_info() = std::move(entry.second);
  }

  void graph(const ir::Graph& g, pb::GraphProto& proto) {
    revive(proto, g.extra);
    if (!g.name.empty()) proto.set_name(g.name);
    public_values(g, proto);
    listed_values(g, proto);
    for (const ir::Value& value : g.values) {
      if (!value.constant) continue;
      auto& t = *proto.add_initializer();
      revive(t, value.tensor_extra);
      t.set_name(value.name);
      tensor(*value.constant, t);
    }
    for (const ir::Node& n : g.nodes) node(g, n, *proto.add_node());
  }

  void node(const ir::Graph& g, const ir::Node& n, pb::NodeProto& proto) {
    revive(proto, n.extra);
    const auto name_of = [&](ir::ValueId id) {
      return id == ir::kNone ? std::string() : g.values[id].name;
    };
    for (ir::ValueId id : n.inputs) proto.add_input(name_of(id));
    for (ir::ValueId id : n.outputs) proto.add_output(name_of(id));
    if (!n.name.empty()) proto.set_name(n.name);
    if (!n.op.empty()) proto.set_op_type(n.op);
    if (!n.domain.empty()) proto.set_domain(n.domain);
    if (!n.overload.empty()) proto.set_overload(n.overload);
    for (const ir::Attribute& a : n.attributes) attribute(a, *proto.add_attribute());
  }

  void attribute(const ir::Attribute& a, pb::AttributeProto& proto) {
    if (const auto* opaque = std::get_if<ir::Attribute::Opaque>(&a.data))
      return revive(proto, opaque->bytes);
    revive(proto, a.extra);
    const bool untyped = proto.tersor_untyped(), unset = proto.tersor_unset();
    proto.clear_tersor_untyped();
    proto.clear_tersor_unset();
    proto.set_name(a.name);
    // What remains of tensors belongs to tensors only.
    if (!std::holds_alternative<Tensor>(a.data)) proto.clear_t();
    if (!std::holds_alternative<std::vector<Tensor>>(a.data)) proto.clear_tensors();
    const int type =
        std::visit([&](const auto& value) { return put(value, unset, proto); }, a.data);
    if (!untyped) proto.set_type(type);
  }

  // One per kind of attribute: puts the value, returns the number of its type.
  int put(float value, bool unset, pb::AttributeProto& proto) {
    if (value != 0.0f || !unset) proto.set_f(value);
    return 1;
  }
  int put(int64_t value, bool unset, pb::AttributeProto& proto) {
    if (value != 0 || !unset) proto.set_i(value);
    return 2;
  }
  int put(const std::string& value, bool unset, pb::AttributeProto& proto) {
    if (!value.empty() || !unset) proto.set_s(value);
    return 3;
  }
  int put(const Tensor& value, bool, pb::AttributeProto& proto) {
    tensor(value, *proto.mutable_t());
    return 4;
  }
  int put(const ir::Attribute::GraphPtr& value, bool, pb::AttributeProto& proto) {
    graph(*value, *proto.mutable_g());
    return 5;
  }
  int put(const std::vector<float>& value, bool, pb::AttributeProto& proto) {
    proto.mutable_floats()->Assign(value.begin(), value.end());
    return 6;
  }
  int put(const std::vector<int64_t>& value, bool, pb::AttributeProto& proto) {
    proto.mutable_ints()->Assign(value.begin(), value.end());
    return 7;
  }
  int put(const std::vector<std::string>& value, bool, pb::AttributeProto& proto) {
    proto.mutable_strings()->Assign(value.begin(), value.end());
    return 8;
  }
  int put(const std::vector<Tensor>& value, bool, pb::AttributeProto& proto) {
    if (proto.tensors_size() != static_cast<int>(value.size())) proto.clear_tensors();
    for (size_t i = 0; i < value.size(); ++i) {
      const int at = static_cast<int>(i);
      tensor(value[i],
             at < proto.tensors_size() ? *proto.mutable_tensors(at) : *proto.add_tensors());
    }
    return 9;
  }
  int put(const std::vector<ir::Attribute::GraphPtr>& value, bool, pb::AttributeProto& proto) {
    for (const auto& g : value) graph(*g, *proto.add_graphs());
    return 10;
  }
  int put(const ir::Attribute::Reference& value, bool, pb::AttributeProto& proto) {
    proto.set_ref_attr_name(value.name);
    return value.type;
  }
  int put(const ir::Attribute::Opaque&, bool, pb::AttributeProto&) { return 0; }

  ExternalData* external_;
};

// Bytes of the weights of all graphs, roughly what the file will have.
uint64_t weight_bytes(const ir::Model& model) {
  uint64_t total = 0;
  std::vector<const ir::Graph*> open{&model.graph};
  std::vector<std::shared_ptr<const ir::Graph>> held;
  while (!open.empty()) {
    const ir::Graph& g = *open.back();
    open.pop_back();
    for (const ir::Value& value : g.values)
      if (value.constant) total += value.constant->bytes();
    for (const ir::Node& node : g.nodes) {
      for (const ir::Attribute& a : node.attributes)
        if (const auto* t = std::get_if<Tensor>(&a.data)) total += t->bytes();
      for (auto& body : ir::subgraphs(node)) {
        open.push_back(body.get());
        held.push_back(std::move(body));
      }
    }
  }
  return total;
}

// Room for everything that is no weight.
constexpr uint64_t kMargin = uint64_t{64} << 20;

std::string serialize(const pb::ModelProto& proto) {
  if (proto.ByteSizeLong() > limits::kModelFileBytes)
    base::fail(ErrorKind::kLimit, "E60", "the model does not fit one file of {} bytes",
               limits::kModelFileBytes);
  return proto.SerializePartialAsString();
}

}  // namespace

std::string write_bytes(const ir::Model& model) {
  const uint64_t weights = weight_bytes(model);
  if (weights > limits::kModelFileBytes)
    throw Error(
        ErrorKind::kLimit, "E60",
        fmt::format("the model has {} bytes of weights, more than one file can hold", weights),
        "write it to a file, with the weights beside it");
  pb::ModelProto proto;
  Writer(nullptr).model(model, proto);
  return serialize(proto);
}

uint64_t write(const ir::Model& model, const std::filesystem::path& path,
               const WriteOptions& options) {
  base::check_output(path, options.force);
  using External = WriteOptions::External;
  const bool external = options.external == External::kAlways ||
                        (options.external == External::kAuto && path != "-" &&
                         weight_bytes(model) > limits::kModelFileBytes - kMargin);
  const auto write_whole = [&](const std::string& bytes) {
    base::write_file(path, bytes, options.force);
    return bytes.size();
  };
  if (!external) return write_whole(write_bytes(model));
  if (path == "-")
    throw Error(ErrorKind::kUsage, "E43",
                "weights beside the model need a file, not standard output", "name a file with -o");
  ExternalData data(path);
  pb::ModelProto proto;
  Writer(&data).model(model, proto);
  if (data.file().size() == 0) return write_whole(serialize(proto));
  const std::filesystem::path beside = path.parent_path() / data.name(path);
  base::OutputFile file(path);
  const std::string bytes = serialize(proto);
  file.write(bytes);
  file.finish();
  const uint64_t written = bytes.size() + data.file().size();
  data.file().finish();
  // The name says what is in it: a file that is there already holds the same.
  data.file().publish(beside, true);
  file.publish(path, options.force);
  return written;
}

uint64_t write(const ir::Model& model, const std::filesystem::path& path, bool force) {
  return write(model, path, {.force = force});
}

std::string tensor_bytes(const Tensor& tensor, const std::string& name) {
  pb::TensorProto proto;
  proto.set_name(name);
  put_tensor(tensor, proto);
  if (proto.ByteSizeLong() > limits::kModelFileBytes)
    base::fail(ErrorKind::kLimit, "E60", "tensor {} does not fit one file of {} bytes",
               base::quoted(name), limits::kModelFileBytes);
  return proto.SerializePartialAsString();
}

void write_tensor(const Tensor& tensor, const std::filesystem::path& path, const std::string& name,
                  bool force) {
  base::check_output(path, force);
  base::write_file(path, tensor_bytes(tensor, name), force);
}

}  // namespace tersor::onnx
