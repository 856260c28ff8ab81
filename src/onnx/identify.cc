#include "onnx/identify.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace tersor::onnx {
namespace {

struct Known {
  std::string_view magic;
  size_t offset;
  const char* what;
  const char* help;
};

using namespace std::string_view_literals;

constexpr const char* kTorch =
    "load it in Python and export: torch.onnx.export(model, example, 'model.onnx', "
    "opset_version=17)";
constexpr const char* kTorchScript =
    "export it: torch.onnx.export(torch.jit.load('M'), example, 'model.onnx', opset_version=17)";
constexpr const char* kPage = "download the file itself, not the page that shows it";
constexpr const char* kUnpack = "unpack it first";
constexpr const char* kData = "this is data: pass it with -d";
constexpr std::array kKnown{
    Known{"version https://git-lfs", 0, "a Git LFS pointer",
          "run 'git lfs pull' to get the real file"},
    Known{"GGUF", 0, "a GGUF file",
          "start from the model it was made from: optimum-cli export onnx -m NAME out/"},
    Known{"TFL3", 4, "a TensorFlow Lite model",
          "convert it: python -m tf2onnx.convert --tflite M --output model.onnx"},
    Known{"ORTM", 4, "a model in onnxruntime's own format",
          "start from the ONNX file it was made from"},
    Known{"\x89HDF", 0, "an HDF5 file (Keras?)",
          "convert it: python -m tf2onnx.convert --keras M --output model.onnx"},
    Known{"\x80\x02", 0, "a Python pickle (a PyTorch checkpoint?)", kTorch},
    Known{"\x80\x03", 0, "a Python pickle (a PyTorch checkpoint?)", kTorch},
    Known{"\x80\x04", 0, "a Python pickle (a PyTorch checkpoint?)", kTorch},
    Known{"\x80\x05", 0, "a Python pickle", kTorch},
    Known{"\x1f\x8b", 0, "a gzip archive", kUnpack},
    Known{"\xfd"
          "7zXZ",
          0, "an xz archive", kUnpack},
    Known{"\x28\xb5\x2f\xfd", 0, "a zstd archive", kUnpack},
    Known{"BZh", 0, "a bzip2 archive", kUnpack},
    Known{"ustar", 257, "a tar archive", kUnpack},
    Known{"\x93NUMPY", 0, "a NumPy array", kData},
    Known{"\x89PNG", 0, "a PNG picture", kData},
    Known{"\xff\xd8\xff", 0, "a JPEG picture", kData},
    Known{"\x7f"
          "ELF",
          0, "a program", ""},
};

[[noreturn]] void refuse(std::string_view bytes, const std::string& name, std::string_view what,
                         std::string_view help) {
  throw Error(ErrorKind::kInput, "E02",
              fmt::format("{} is not an ONNX model: it is {} ({} bytes)", base::quoted(name), what,
                          bytes.size()),
              std::string(help));
}

bool is_safetensors(std::string_view bytes) {
  if (bytes.size() < 10 || bytes[8] != '{') return false;
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = (length << 8) | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  return length <= bytes.size() - 8;
}

// The names of a zip's members stand in clear in it; the directory is at its end.
void refuse_zip(std::string_view bytes, const std::string& name) {
  constexpr size_t kSeen = 65536;
  const auto holds = [&](std::string_view member) {
    return bytes.substr(0, kSeen).find(member) != std::string_view::npos ||
           bytes.substr(bytes.size() - std::min(bytes.size(), kSeen)).find(member) !=
               std::string_view::npos;
  };
  if (holds("constants.pkl")) refuse(bytes, name, "a TorchScript archive", kTorchScript);
  if (holds("data.pkl")) refuse(bytes, name, "a PyTorch checkpoint (.pth)", kTorch);
  if (holds("serialized_exported_program") || holds("models/model.json"))
    refuse(bytes, name, "a torch.export archive (.pt2)", kTorch);
  if (holds("model.weights.h5"))
    refuse(bytes, name, "a Keras archive",
           "convert it: python -m tf2onnx.convert --keras M --output model.onnx");
  if (holds(".npy")) refuse(bytes, name, "a NumPy archive (.npz)", kData);
  if (holds(".onnx")) refuse(bytes, name, "a zip archive with an ONNX file in it", kUnpack);
  refuse(bytes, name, "a zip archive", kUnpack);
}

// `word`, in any case, at the start of `text`.
bool starts(std::string_view text, std::string_view word) {
  return text.size() >= word.size() &&
         std::equal(word.begin(), word.end(), text.begin(), [](char w, char c) {
           return w == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
         });
}

void refuse_text(std::string_view bytes, const std::string& name) {
  std::string_view text = bytes.substr(0, 4096);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty() && " \t\r\n"sv.find(text.front()) != text.npos) text.remove_prefix(1);
  if (starts(text, "<!doctype html") || starts(text, "<html") || starts(text, "<head"))
    refuse(bytes, name, "an HTML page", kPage);
  if (starts(text, "<?xml") || starts(text, "<net"))
    refuse(bytes, name, text.find("<net") != text.npos ? "an OpenVINO model" : "XML",
           "start from the ONNX file, or export from the framework: torch.onnx.export(...)");
  const bool printable = std::ranges::none_of(bytes.substr(0, 512), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && c != '\n' && c != '\r' && c != '\t') || u >= 0x7f;
  });
  if (printable)
    refuse(bytes, name, starts(text, "{") ? "JSON" : "a text file", "pass the .onnx file");
}

}  // namespace

void refuse_other_formats(std::string_view bytes, const std::string& name) {
  if (bytes.empty()) refuse(bytes, name, "empty", "download or copy it again");
  for (const Known& k : kKnown)
    if (bytes.size() >= k.offset && bytes.substr(k.offset).starts_with(k.magic))
      refuse(bytes, name, k.what, k.help);
  if (bytes.starts_with("PK\003\004")) refuse_zip(bytes, name);
  if (is_safetensors(bytes))
    refuse(bytes, name, "a safetensors file: weights without a graph",
           "export the model they belong to: optimum-cli export onnx -m FOLDER out/");
  refuse_text(bytes, name);
}

bool looks_like_model(std::string_view start) {
  if (start.size() < 16 || start[8] == '{') return false;
  try {
    refuse_other_formats(start, "");
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace tersor::onnx
