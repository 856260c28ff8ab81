#include "onnx/type_proto.h"

#include <algorithm>

namespace tersor::onnx {

ir::Type type_of(const pb::TypeProto& proto) {
  ir::Type type;
  if (!proto.has_tensor_type()) {
    type.raw = proto.SerializePartialAsString();
    if (!type.raw.empty()) type.kind = ir::Type::Kind::kOther;
    return type;
  }
  type.kind = ir::Type::Kind::kTensor;
  type.elem = static_cast<DType>(proto.tensor_type().elem_type());
  if (!proto.tensor_type().has_shape()) return type;
  type.shape.emplace();
  for (const auto& d : proto.tensor_type().shape().dim()) {
    ir::Dim dim;
    if (d.has_dim_value() && d.dim_value() >= 0) dim.value = d.dim_value();
    if (d.has_dim_param() && d.dim_param() != "?") dim.symbol = d.dim_param();
    type.shape->push_back(std::move(dim));
  }
  return type;
}

void put_type(const ir::Type& type, pb::TypeProto& proto) {
  const std::string denotation = proto.denotation();
  proto.Clear();
  if (!denotation.empty()) proto.set_denotation(denotation);
  if (type.kind == ir::Type::Kind::kOther) {
    proto.ParsePartialFromString(type.raw);
    return;
  }
  if (type.kind != ir::Type::Kind::kTensor) return;
  auto& t = *proto.mutable_tensor_type();
  t.set_elem_type(static_cast<int32_t>(type.elem));
  if (!type.shape) return;
  auto& shape = *t.mutable_shape();
  for (const ir::Dim& dim : *type.shape) {
    auto& d = *shape.add_dim();
    if (dim.known()) {
      d.set_dim_value(dim.value);
    } else if (!dim.symbol.empty()) {
      d.set_dim_param(dim.symbol);
    }
  }
}

bool same_type(const ir::Type& a, const ir::Type& b) {
  if (a.kind != b.kind || a.raw != b.raw || a.elem != b.elem) return false;
  if (a.shape.has_value() != b.shape.has_value()) return false;
  return !a.shape || std::ranges::equal(*a.shape, *b.shape, [](const ir::Dim& x, const ir::Dim& y) {
    return x.value == y.value && x.symbol == y.symbol;
  });
}

bool agrees(const ir::Type& declared, const ir::Type& known) {
  if (declared.kind == ir::Type::Kind::kUnknown) return true;
  if (declared.kind != known.kind || declared.raw != known.raw) return false;
  if (declared.elem != known.elem && declared.elem != DType::kUndefined) return false;
  if (!declared.shape) return true;
  return known.shape &&
         std::ranges::equal(*declared.shape, *known.shape, [](const ir::Dim& d, const ir::Dim& k) {
           return !d.known() || d.value == k.value;
         });
}

}  // namespace tersor::onnx
