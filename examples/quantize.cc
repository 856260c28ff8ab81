// quantize MODEL PICTURES OUTPUT: a float model becomes an int8 one.
#include <tersor/tersor.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 4) return 2;
  const auto model = tersor::Model::load(argv[1]);
  const auto result = tersor::quantize(model, tersor::images(argv[2]));
  result.model.save(argv[3], /*force=*/true);
  std::cout << result.quantized << " of " << result.weighted << " layers, " << model.file_bytes()
            << " -> " << result.model.file_bytes() << " bytes, same label for "
            << 100 * result.comparison->top1_agree << " % of the pictures\n";
  return result.comparison->passed ? 0 : 1;
} catch (const tersor::Error& error) {
  std::cerr << error.describe() << '\n';
  return static_cast<int>(error.kind());
}
