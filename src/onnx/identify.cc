#include "onnx/identify.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"

namespace tersor::onnx {
namespace {

struct Known {
  std::string_view magic;
  size_t offset;
  const char* what;
  const char* help;
};

constexpr const char* kExport =
    "export it with torch.onnx.export(model, example, \"model.onnx\", opset_version=17)";
constexpr std::array kKnown{
    Known{"version https://git-lfs", 0, "a Git LFS pointer", "run 'git lfs pull' to get the real file"},
    Known{"PK\003\004", 0, "a zip archive (a PyTorch .pth or TorchScript file)", kExport},
    Known{"GGUF", 0, "a GGUF file", "start from the model it was made of, exported to ONNX"},
    Known{"TFL3", 4, "a TensorFlow Lite model", "convert it with tf2onnx: python -m tf2onnx.convert --tflite M"},
    Known{"<?xml", 0, "XML (an OpenVINO model?)", "start from the ONNX file it was converted from"},
    Known{"<!DOCTYPE", 0, "an HTML page", "download the file itself, not the page that shows it"},
    Known{"<!doctype", 0, "an HTML page", "download the file itself, not the page that shows it"},
    Known{"<html", 0, "an HTML page", "download the file itself, not the page that shows it"},
    Known{"\x89HDF", 0, "an HDF5 file (Keras?)", "convert it with tf2onnx"},
    Known{"\x80\x02", 0, "a Python pickle (PyTorch?)", kExport},
    Known{"\x80\x04", 0, "a Python pickle (PyTorch?)", kExport},
    Known{"\x93NUMPY", 0, "a NumPy array", "it is data: pass it with -d"},
    Known{"\x89PNG", 0, "a PNG picture", "it is data: pass it with -d"},
    Known{"\xff\xd8\xff", 0, "a JPEG picture", "it is data: pass it with -d"},
};

bool is_safetensors(std::string_view bytes) {
  if (bytes.size() < 10 || bytes[8] != '{') return false;
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = (length << 8) | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  return length <= bytes.size() - 8;
}

// A reader of the protobuf wire format, bounded by `bytes`.
struct Wire {
  std::string_view bytes;
  size_t at = 0;

  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes[at++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    return {};
  }
};

const char* field_name(int depth, uint64_t field) {
  if (depth == 0) return field == 7 ? "the graph" : nullptr;
  if (depth == 1) return field == 5 ? "an initializer" : field == 1 ? "a node" : nullptr;
  return nullptr;
}

// The name (field 8) inside the bytes of a TensorProto, if it is there.
std::string tensor_name(std::string_view bytes) {
  Wire w{bytes};
  while (w.at < bytes.size()) {
    const auto tag = w.varint();
    if (!tag) return {};
    if ((*tag & 7) == 0) {
      if (!w.varint()) return {};
    } else if ((*tag & 7) == 2) {
      const auto length = w.varint();
      if (!length) return {};
      if (*tag >> 3 == 8 && *length <= bytes.size() - w.at)
        return std::string(bytes.substr(w.at, *length));
      if (*length > bytes.size() - w.at) return {};
      w.at += *length;
    } else {
      return {};
    }
  }
  return {};
}

// Follows the last length-delimited field down to the innermost one that the end of the file cuts.
std::optional<std::string> find_cut(std::string_view bytes) {
  std::string what;
  uint64_t needed = 0, there = 0;
  Wire w{bytes};
  int depth = 0;
  while (w.at < w.bytes.size()) {
    const auto tag = w.varint();
    if (!tag) break;
    const uint64_t field = *tag >> 3;
    switch (*tag & 7) {
      case 0:
        if (!w.varint()) return what.empty() ? std::nullopt : std::optional(what);
        continue;
      case 1:
        w.at += 8;
        continue;
      case 5:
        w.at += 4;
        continue;
      case 2:
        break;
      default:
        return {};
    }
    const auto length = w.varint();
    if (!length) break;
    if (*length <= w.bytes.size() - w.at) {
      w.at += *length;
      continue;
    }
    const char* known = field_name(depth, field);
    if (!known && depth < 2) return {};
    if (known) {
      needed = *length;
      there = w.bytes.size() - w.at;
      const std::string name = depth == 1 && field == 5 ? tensor_name(w.bytes.substr(w.at)) : "";
      what = fmt::format("{}{} needs {} bytes, the file ends after {}", known,
                         name.empty() ? "" : " " + base::quoted(name), needed, there);
    }
    if (depth == 2 || (depth == 1 && field != 5)) return what;
    w = Wire{w.bytes.substr(w.at)};
    ++depth;
  }
  return what.empty() ? std::nullopt : std::optional(what);
}

}  // namespace

void refuse_other_formats(std::string_view bytes, const std::string& name) {
  if (bytes.empty())
    throw Error(ErrorKind::kInput, "E02", base::quoted(name) + " is not an ONNX model: it is empty",
                "download or copy it again");
  for (const Known& k : kKnown)
    if (bytes.size() >= k.offset && bytes.substr(k.offset).starts_with(k.magic))
      throw Error(ErrorKind::kInput, "E02",
                  fmt::format("{} is not an ONNX model: it is {} ({} bytes)", base::quoted(name),
                              k.what, bytes.size()),
                  k.help);
  if (is_safetensors(bytes))
    throw Error(ErrorKind::kInput, "E02",
                base::quoted(name) + " is not an ONNX model: it is a safetensors file", kExport);
}

void explain_parse_failure(std::string_view bytes, const std::string& name) {
  if (const auto cut = find_cut(bytes))
    throw Error(ErrorKind::kInput, "E03", base::quoted(name) + " is cut off: " + *cut,
                "download or copy it again");
  throw Error(ErrorKind::kInput, "E02",
              base::quoted(name) + " is not an ONNX model: its bytes are no ONNX protobuf",
              "export the model to ONNX again");
}

}  // namespace tersor::onnx
