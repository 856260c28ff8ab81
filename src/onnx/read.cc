#include <map>
#include <memory>
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

[[noreturn]] void no_model(const std::string& name, const char* why) {
  throw Error(ErrorKind::kInput, "E02", base::quoted(name) + " is not an ONNX model: " + why,
              "export the model to ONNX again");
}

void check_size(uint64_t bytes, const std::string& name) {
  if (bytes > limits::kModelFileBytes)
    base::fail(ErrorKind::kLimit, "E60", "{} has {} bytes, more than the {} that protobuf allows",
               base::quoted(name), bytes, limits::kModelFileBytes);
}

pb::ModelProto parse_model(std::string_view bytes, const std::string& name) {
  pb::ModelProto proto;
  if (!parse(proto, bytes)) no_model(name, "its bytes are no ONNX protobuf");
  if (!proto.has_graph()) no_model(name, "it has no graph");
  if (proto.ir_version() < 3)
    throw Error(ErrorKind::kUnsupported, "E08",
                fmt::format("{} has IR version {}; 3 is the oldest that can be read",
                            base::quoted(name), proto.ir_version()),
                "export the model to ONNX again with a newer version");
  if (proto.opset_import_size() == 0) no_model(name, "it imports no operator set");
  return proto;
}

ir::Model convert(pb::ModelProto proto, const Source& source) {
  return base::with_frame([&] { return model_of(proto, source); },
                          [&] { return "file " + base::quoted(source.file); });
}

// A file that is large enough that its weights are worth leaving in it until they are asked for.
ir::Model read_large(std::shared_ptr<const base::InputFile> file, Source source) {
  Input input(*file);
  const Outline outline = check_wire(input, source.file);
  std::map<size_t, Deferred> deferred;
  for (const LargeData& d : outline.data)
    deferred[d.initializer] = {file, d.data.begin, d.data.end - d.data.begin};
  source.deferred = &deferred;
  return convert(parse_model(without_large_data(input, outline), source.file), source);
}

}  // namespace

ir::Model read_bytes(std::string_view bytes, const std::filesystem::path& folder,
                     const std::string& name) {
  check_size(bytes.size(), name);
  refuse_other_formats(bytes, name);
  Input input(bytes);
  check_wire(input, name);
  return convert(parse_model(bytes, name), {folder, name});
}

ir::Model read(const std::filesystem::path& path) {
  constexpr uint64_t kLarge = uint64_t{1} << 20;
  constexpr size_t kStart = 65536;
  const std::string name = path == "-" ? "standard input" : path.string();
  if (path != "-") {
    auto file = std::make_shared<const base::InputFile>(path);
    check_size(file->size(), name);
    if (file->size() >= kLarge) {
      std::string start(kStart, '\0');
      file->read(0, start.data(), start.size());
      if (looks_like_model(start)) return read_large(std::move(file), {folder_of(path), name});
    }
  }
  return read_bytes(base::read_file(path, limits::kModelFileBytes), folder_of(path), name);
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
