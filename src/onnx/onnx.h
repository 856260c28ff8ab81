// Bytes <-> ir::Model and Tensor. The only room that sees protobuf.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "ir/model.h"

namespace tersor::onnx {

// Reads an ONNX file of IR version 3 on ("-": standard input), with its external data. Everything
// it does not model is kept for writing; nodes are put in topological order. Errors: E01 missing,
// E02 not an ONNX model (and what it is instead), E03 cut off, E04 and E05 external data, E13 a
// tensor whose data do not fill it, E19 names that clash, E24 cycles, E27 values nobody makes, E60
// limits.
ir::Model read(const std::filesystem::path& path);
// `folder`: where external data lie; `name`: for messages.
ir::Model read_bytes(std::string_view bytes, const std::filesystem::path& folder,
                     const std::string& name = "model");

// What is untouched comes out equal as a message; the same model gives the same bytes. Over 2 GiB:
// E60.
std::string write_bytes(const ir::Model& model);

struct WriteOptions {
  // Where tensors of 1 KiB and more go: into the model file, or into one beside it whose name is
  // the model's and a hash of its contents. kAuto: beside it if one file cannot hold them.
  enum class External { kAuto, kNever, kAlways };
  bool force = false;  // replace an existing file; E40 otherwise
  External external = External::kAuto;
};
// Whole or not at all; the model file gets its name last. "-": standard output. The bytes written,
// external data included.
uint64_t write(const ir::Model& model, const std::filesystem::path& path,
               const WriteOptions& options);
uint64_t write(const ir::Model& model, const std::filesystem::path& path, bool force);

// One TensorProto, as in the ONNX backend tests.
Tensor read_tensor(const std::filesystem::path& path);
std::string tensor_bytes(const Tensor& tensor, const std::string& name);
void write_tensor(const Tensor& tensor, const std::filesystem::path& path, const std::string& name,
                  bool force);

}  // namespace tersor::onnx
