// run MODEL: one call of a model with a single float32 input, on zeros.
#include <tersor/tersor.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  const auto model = tersor::Model::load(argv[1]);
  const tersor::Session session(model);
  auto shape = model.info().inputs.at(0).dims;
  for (auto& d : shape)
    if (d < 0) d = 1;
  for (const auto& [name, output] :
       session.run(tersor::Tensor::zeros(tersor::DType::kFloat32, shape)))
    std::cout << name << ' ' << tersor::tensor::to_string(output.dims()) << '\n';
  std::cout << session.plan().integer_steps << " of " << session.plan().steps.size()
            << " steps on 8-bit integers\n";
  return 0;
} catch (const tersor::Error& error) {
  std::cerr << error.describe() << '\n';
  return static_cast<int>(error.kind());
}
