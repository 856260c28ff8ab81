#include <algorithm>

#include "base/error.h"
#include "ir/model.h"

namespace tersor::ir {
namespace {

template <typename T>
const T& typed(const Node& node, const Attribute& attribute) {
  if (const T* v = std::get_if<T>(&attribute.data)) return *v;
  throw Error(
      ErrorKind::kInput, "E23",
      fmt::format("attribute {} of node {} ({}) has the wrong type", base::quoted(attribute.name),
                  base::quoted(node.name), base::printable(node.op)));
}

template <typename T>
T value_or(const Node& node, std::string_view name, T otherwise) {
  const Attribute* a = node.find(name);
  return a ? typed<T>(node, *a) : otherwise;
}

}  // namespace

const Attribute* Node::find(std::string_view name) const {
  const auto it = std::ranges::find(attributes, name, &Attribute::name);
  return it == attributes.end() ? nullptr : &*it;
}
int64_t Node::attr_int(std::string_view name, int64_t otherwise) const {
  return value_or<int64_t>(*this, name, otherwise);
}
float Node::attr_float(std::string_view name, float otherwise) const {
  return value_or<float>(*this, name, otherwise);
}
std::string Node::attr_string(std::string_view name, std::string_view otherwise) const {
  return value_or<std::string>(*this, name, std::string(otherwise));
}
std::vector<int64_t> Node::attr_ints(std::string_view name) const {
  return value_or<std::vector<int64_t>>(*this, name, {});
}
std::vector<float> Node::attr_floats(std::string_view name) const {
  return value_or<std::vector<float>>(*this, name, {});
}
std::vector<std::string> Node::attr_strings(std::string_view name) const {
  return value_or<std::vector<std::string>>(*this, name, {});
}
const Tensor* Node::attr_tensor(std::string_view name) const {
  const Attribute* a = find(name);
  return a ? &typed<Tensor>(*this, *a) : nullptr;
}
std::shared_ptr<const Graph> Node::attr_graph(std::string_view name) const {
  const Attribute* a = find(name);
  return a ? typed<Attribute::GraphPtr>(*this, *a) : nullptr;
}
void Node::set(std::string_view name, Attribute::Data data) {
  const auto it = std::ranges::find(attributes, name, &Attribute::name);
  if (it != attributes.end()) {
    it->data = std::move(data);
  } else {
    attributes.push_back({std::string(name), std::move(data), {}});
  }
}
void Node::erase(std::string_view name) {
  std::erase_if(attributes, [&](const Attribute& a) { return a.name == name; });
}

std::vector<std::shared_ptr<const Graph>> subgraphs(const Node& node) {
  std::vector<std::shared_ptr<const Graph>> found;
  for (const Attribute& a : node.attributes) {
    if (const auto* one = std::get_if<Attribute::GraphPtr>(&a.data)) found.push_back(*one);
    if (const auto* many = std::get_if<std::vector<Attribute::GraphPtr>>(&a.data))
      found.insert(found.end(), many->begin(), many->end());
  }
  return found;
}

int64_t Model::opset(std::string_view domain) const {
  const bool standard = domain.empty() || domain == "ai.onnx";
  for (const auto& [name, version] : opsets)
    if (standard ? name.empty() || name == "ai.onnx" : name == domain) return version;
  return 0;
}

std::string to_string(const Dim& dim) {
  if (dim.known()) return std::to_string(dim.value);
  return dim.symbol.empty() ? "?" : base::printable(dim.symbol);
}
std::string to_string(const Shape& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + to_string(shape[i]);
  return s + "]";
}
Shape to_shape(std::span<const int64_t> dims) { return Shape(dims.begin(), dims.end()); }
std::optional<Dims> to_dims(const Shape& shape) {
  Dims dims;
  for (const Dim& d : shape) {
    if (!d.known()) return {};
    dims.push_back(d.value);
  }
  return dims;
}

}  // namespace tersor::ir
