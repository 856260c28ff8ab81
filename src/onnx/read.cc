#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "onnx/identify.h"
#include "onnx/onnx.h"
#include "onnx/read_model.h"
#include "onnx/wire.h"

namespace tersor::onnx {
namespace {

template <typename Message>
bool parse(Message& message, std::string_view bytes) {
  return message.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path == "-" || !path.has_parent_path() ? std::filesystem::path(".") : path.parent_path();
}

pb::ModelProto parse_model(std::string_view bytes, const std::string& name) {
  if (bytes.size() > limits::kModelFileBytes)
    base::fail(ErrorKind::kLimit, "E60", "{} has {} bytes, more than the {} that protobuf allows",
               base::quoted(name), bytes.size(), limits::kModelFileBytes);
  refuse_other_formats(bytes, name);
  check_wire(bytes, name);
  pb::ModelProto proto;
  const auto no_model = [&](const char* why) {
    throw Error(ErrorKind::kInput, "E02", base::quoted(name) + " is not an ONNX model: " + why,
                "export the model to ONNX again");
  };
  if (!parse(proto, bytes)) no_model("its bytes are no ONNX protobuf");
  if (!proto.has_graph()) no_model("it has no graph");
  if (proto.ir_version() < 3)
    throw Error(ErrorKind::kUnsupported, "E08",
                fmt::format("{} has IR version {}; 3 is the oldest that can be read",
                            base::quoted(name), proto.ir_version()),
                "export the model to ONNX again with a newer version");
  if (proto.opset_import_size() == 0) no_model("it imports no operator set");
  return proto;
}

ir::Model convert(pb::ModelProto proto, const std::filesystem::path& folder,
                  const std::string& name) {
  return base::with_frame(
      [&] {
        return model_of(proto, {folder, name});
      },
      [&] { return "file " + base::quoted(name); });
}

}  // namespace

ir::Model read_bytes(std::string_view bytes, const std::filesystem::path& folder,
                     const std::string& name) {
  return convert(parse_model(bytes, name), folder, name);
}

ir::Model read(const std::filesystem::path& path) {
  const std::string name = path == "-" ? "standard input" : path.string();
  pb::ModelProto proto = parse_model(base::read_file(path, limits::kModelFileBytes), name);
  return convert(std::move(proto), folder_of(path), name);
}

Tensor read_tensor(const std::filesystem::path& path) {
  const std::string bytes = base::read_file(path, limits::kModelFileBytes);
  pb::TensorProto proto;
  if (!parse(proto, bytes) || !proto.has_data_type())
    base::fail_input("E29", "{} does not hold a tensor (TensorProto)", base::quoted(path.string()));
  return base::with_frame(
      [&] {
        return take_tensor(proto, {folder_of(path), path.string()});
      },
      [&] { return "file " + base::quoted(path.string()); });
}

}  // namespace tersor::onnx
