// TensorProto <-> Tensor, in all encodings. Inside onnx/ only.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "tensor/tensor.h"
#include "tersor_onnx.pb.h"

namespace tersor::onnx {

// Where external data lie, and the model file that names them (for messages).
struct Source {
  std::filesystem::path folder;
  std::string file;
  // By their place, initializers of the main graph whose raw data stayed in the file.
  const std::map<size_t, struct Deferred>* deferred = nullptr;
};
struct Deferred {
  std::shared_ptr<const base::InputFile> file;
  uint64_t offset = 0, length = 0;
};

// Moves the elements out of `proto`, which keeps what tersor does not model, and how its elements
// were written. An Error names the tensor if its data do not fill its shape exactly.
// `deferred`: its raw data, if they stayed in the file.
Tensor take_tensor(pb::TensorProto& proto, const Source& source,
                   const Deferred* deferred = nullptr);
// Puts the elements into `proto`, written as it remembers where that still fits, else as raw_data.
void put_tensor(const Tensor& tensor, pb::TensorProto& proto);

// The file that big tensors go to, and the entries that must learn its name.
class ExternalData {
 public:
  explicit ExternalData(const std::filesystem::path& model) : file_(model) {}
  // True if the tensor was written here, and `proto` refers to it.
  bool take(const Tensor& tensor, pb::TensorProto& proto);
  // The name beside `model`: it carries a hash of the contents. To be called once, at the end.
  std::string name(const std::filesystem::path& model);
  base::OutputFile& file() { return file_; }

 private:
  void append(std::string_view bytes);

  base::OutputFile file_;
  std::vector<pb::StringStringEntryProto*> locations_;
  uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace tersor::onnx
