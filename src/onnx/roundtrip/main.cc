// For tests: reads a model and writes it again, or a list of pairs from standard input, one path a
// line.
#include <cstdio>
#include <iostream>
#include <string>

#include "onnx/onnx.h"

namespace {

int convert(const std::string& in, const std::string& out) {
  try {
    const tersor::ir::Model model = tersor::onnx::read(in);
    tersor::ir::verify(model);
    tersor::onnx::write(model, out, true);
    return 0;
  } catch (const tersor::Error& error) {
    std::fprintf(stderr, "%s\n", error.describe().c_str());
    return static_cast<int>(error.kind());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) return convert(argv[1], argv[2]);
  if (argc != 1) return 2;
  std::string in, out;
  int worst = 0;
  while (std::getline(std::cin, in) && std::getline(std::cin, out)) {
    const int code = convert(in, out);
    std::printf("%d\n", code);
    worst = code > worst ? code : worst;
  }
  return worst;
}
