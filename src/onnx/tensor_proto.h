// TensorProto <-> Tensor, in all encodings. Inside onnx/ only.
#pragma once

#include <filesystem>

#include "tensor/tensor.h"
#include "tersor_onnx.pb.h"

namespace tersor::onnx {

// Moves the elements out of `proto` (which keeps what tersor does not model, and its encoding). An Error names
// the tensor if its data do not fill its shape.
Tensor take_tensor(pb::TensorProto& proto, const std::filesystem::path& folder);
// Puts the elements into `proto`, in the encoding that it remembers where that still fits.
void put_tensor(const Tensor& tensor, pb::TensorProto& proto);

}  // namespace tersor::onnx
