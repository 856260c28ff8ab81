// Somebody else's program: load, run, print.
#include <tersor/tersor.h>

#include <cstdio>

int main(int, char** argv) {
  const auto model = tersor::Model::load(argv[1]);
  const auto outputs =
      tersor::Session(model).run(tersor::Tensor::zeros(tersor::DType::kFloat32, {1, 1, 28, 28}));
  std::printf("tersor %s: %zu output\n", tersor::version().c_str(), outputs.size());
  return outputs.size() == 1 && outputs.begin()->second.dims() == tersor::Dims{1, 10} ? 0 : 1;
}
