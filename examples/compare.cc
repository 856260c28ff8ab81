// compare A B PICTURES: do two models answer alike?
#include <tersor/tersor.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 4) return 2;
  const auto a = tersor::Model::load(argv[1]), b = tersor::Model::load(argv[2]);
  tersor::CompareOptions options;
  options.fail_if = {"top1_agree<0.9", "sqnr<15"};
  const auto verdict = tersor::compare(a, b, tersor::images(argv[3]), options);
  for (const auto& output : verdict.outputs)
    std::cout << output.name << ": " << output.sqnr_db << " dB\n";
  for (const auto& sentence : verdict.broken) std::cout << "not met: " << sentence << '\n';
  return verdict.passed ? 0 : 1;
} catch (const tersor::Error& error) {
  std::cerr << error.describe() << '\n';
  return static_cast<int>(error.kind());
}
