#include "onnx/type_proto.h"

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
  proto.Clear();
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

}  // namespace tersor::onnx
