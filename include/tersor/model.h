// A trained network: read from ONNX, written as ONNX.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/dtype.h"

namespace tersor {

// An input or output of a model.
struct Port {
  std::string name;
  DType dtype = DType::kUndefined;
  bool ranked = false;             // false: the file does not even say the rank
  std::vector<int64_t> dims;       // -1 where symbolic
  std::vector<std::string> names;  // of the symbolic dimensions ("" if unnamed), same length
  std::string shape_text;          // "[batch, 3, 224, 224]"
};

// One kind of operator in a model.
struct OperatorCount {
  std::string op;  // with its domain, if that is not ONNX's
  int64_t count = 0;
  int64_t parameters = 0;
  int64_t macs = 0;  // per sample, where shapes are known
  std::string int8;  // "yes", or how it takes part, or why not
};

// One node, for `inspect --layers`.
struct NodeInfo {
  std::string name, op;
  std::string output, shape_text, dtype;
  int64_t parameters = 0, macs = 0;
  bool quantizable = false;
};

struct ModelInfo {
  int64_t ir_version = 0, opset = 0;
  std::string producer;
  int64_t nodes = 0, parameters = 0, macs = 0;
  uint64_t weight_bytes = 0;
  std::vector<Port> inputs, outputs;
  std::vector<OperatorCount> operators;  // most frequent first
  std::vector<NodeInfo> layers;
  std::map<std::string, int64_t> parameter_types;  // "float32" -> count
  int64_t weighted = 0,
          quantizable = 0;     // layers that multiply with weights; of these, quantizable ones
  int64_t quantize_nodes = 0;  // QuantizeLinear and the like: over 0 if already quantized
  std::vector<std::string> unsupported;  // operators (and a node each) that the engine cannot run
  std::map<std::string, std::string> metadata;
};

class Model {
 public:
  // Errors (ErrorKind::kInput): E01 missing, E02 not ONNX, E03 cut off, E04/E05 external data. "-":
  // standard input.
  static Model load(const std::filesystem::path& path);
  static Model parse(std::string_view bytes, const std::filesystem::path& external_folder = ".");
  // Whole or not at all. E40 if the file exists and `force` is not set.
  void save(const std::filesystem::path& path, bool force = false) const;
  std::string bytes() const;    // as save() writes them
  uint64_t file_bytes() const;  // size of the file it came from, or of bytes()

  ModelInfo info() const;
  std::string sha256() const;  // of the file it came from, or of bytes()

  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

// E40 or E41 (ErrorKind::kOutput) if a file cannot be written there: it exists and `force` is not
// set, it is a folder, or its folder does not exist. For asking before long work.
void check_output(const std::filesystem::path& path, bool force = false);

}  // namespace tersor
