// Bytes <-> ir::Model and Tensor. The only room that sees protobuf.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "ir/model.h"

namespace tersor::onnx {

// Reads an ONNX file of opset 7 on, IR version 3 on, with its external data. Everything it does not
// model is kept for writing. Errors: E01 missing, E02 not an ONNX model (and what it is instead), E03 cut
// off, E04 and E05 external data, E19 names that clash.
ir::Model read(const std::filesystem::path& path);
// `folder`: where external data lies.
ir::Model read_bytes(std::string_view bytes, const std::filesystem::path& folder,
                     const std::string& name = "model");

// What is untouched comes out equal as a message. Over 2 GiB: E60.
std::string write_bytes(const ir::Model& model);
void write(const ir::Model& model, const std::filesystem::path& path, bool force);

// One TensorProto, as in the ONNX backend tests.
Tensor read_tensor(const std::filesystem::path& path);
std::string tensor_bytes(const Tensor& tensor, const std::string& name);

}  // namespace tersor::onnx
