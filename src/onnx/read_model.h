// A parsed ModelProto -> ir::Model. Inside onnx/ only.
#pragma once

#include "ir/model.h"
#include "onnx/tensor_proto.h"
#include "tersor_onnx.pb.h"

namespace tersor::onnx {

// Moves what is modelled out of `proto`; the rest goes into the `extra` strings.
ir::Model model_of(pb::ModelProto& proto, const Source& source);

}  // namespace tersor::onnx
