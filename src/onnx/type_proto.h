// TypeProto <-> ir::Type. Inside onnx/ only.
#pragma once

#include "ir/model.h"
#include "tersor_onnx.pb.h"

namespace tersor::onnx {

ir::Type type_of(const pb::TypeProto& proto);
void put_type(const ir::Type& type, pb::TypeProto& proto);

// The very same statement.
bool same_type(const ir::Type& a, const ir::Type& b);
// `declared` may say less than `known`, but nothing else.
bool agrees(const ir::Type& declared, const ir::Type& known);

}  // namespace tersor::onnx
