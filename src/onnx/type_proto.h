// TypeProto <-> ir::Type. Inside onnx/ only.
#pragma once

#include "ir/model.h"
#include "tersor_onnx.pb.h"

namespace tersor::onnx {

ir::Type type_of(const pb::TypeProto& proto);
void put_type(const ir::Type& type, pb::TypeProto& proto);

}  // namespace tersor::onnx
