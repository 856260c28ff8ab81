#include "onnx/testing.h"

namespace tersor::onnx {
namespace {

struct Case {
  std::string bytes;
  const char* says;
  const char* helps;
};

TEST(Identify, NamesWhatAFileIs) {
  using namespace std::string_literals;
  const std::vector<Case> cases{
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "a Git LFS pointer",
       "git lfs pull"},
      {"<!DOCTYPE html><html>", "an HTML page", "download"},
      {"  \n<HTML>", "an HTML page", "download"},
      {"PK\003\004xxxxarchive/data.pkl"s, "a PyTorch checkpoint", "torch.onnx.export"},
      {"PK\003\004xxxxm/constants.pkl m/data.pkl"s, "a TorchScript archive", "torch.jit.load"},
      {"PK\003\004xxxxa.txt"s, "a zip archive", "unpack"},
      {"\x80\x02}q\x01"s, "a Python pickle", "torch.onnx.export"},
      {"\x10\0\0\0\0\0\0\0{\"a\":{\"dtype\":1}}"s, "a safetensors file", "export"},
      {"GGUF\x03\0\0\0"s, "a GGUF file", "export"},
      {"\x1c\0\0\0TFL3\0\0"s, "a TensorFlow Lite model", "tf2onnx"},
      {"<?xml version=\"1.0\"?>\n<net name=\"a\">", "an OpenVINO model", "torch.onnx.export"},
      {"\x1f\x8b\x08\0"s, "a gzip archive", "unpack"},
      {"import torch\n", "a text file", ".onnx"},
      {"{\"a\": 1}", "JSON", ".onnx"},
      {"", "empty", "again"},
  };
  for (const Case& c : cases) {
    const Error error = read_error(c.bytes);
    EXPECT_EQ(error.code(), "E02") << c.says;
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_TRUE(error.sentence().starts_with("'m.onnx' is not an ONNX model: it is "s + c.says))
        << error.sentence();
    EXPECT_NE(error.help().find(c.helps), std::string::npos) << error.help();
  }
}

TEST(Identify, SaysTheSize) {
  const Error error =
      read_error("version https://git-lfs.github.com/spec/v1\n" + std::string(87, 'x'));
  EXPECT_EQ(error.sentence(), "'m.onnx' is not an ONNX model: it is a Git LFS pointer (130 bytes)");
}

}  // namespace
}  // namespace tersor::onnx
