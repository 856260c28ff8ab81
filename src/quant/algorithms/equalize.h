// Cross-layer equalization [Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization
// and Bias Correction", section 4.1]: where f(x / s) = f(x) / s stands between two operators with
// weights,
//
//   W2 f(W1 x + b1)  =  (W2 S) f(S^-1 W1 x + S^-1 b1)
//
// for any positive diagonal S: every channel between them can have the unit that quantizes best.
// Here S are powers of two, so that the float model computes the same bits as before (but for
// subnormal numbers), and it is chosen by what rounding is predicted to cost from the weights
// alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/model.h"

namespace tersor::quant {

enum class Equalize : uint8_t {
  kOff,
  kAuto,  // where it is predicted to help by kWorthwhileDb at least
  kOn,    // where it is predicted to help at all
};
constexpr double kWorthwhileDb = 3;

struct Equalized {
  std::string first, second;      // nodes
  int64_t channels = 0;           // between them
  int64_t changed = 0;            // how many of them got another unit
  int smallest = 0, largest = 0;  // exponents of 2 that the weights of `first` were divided by
  double gain_db = 0;             // predicted: error before over error after
};

// Rewrites weights and biases of pairs of operators, and renames the values between them, which
// are other numbers then. `model`: simplified, with types inferred. Only pairs in its main graph,
// joined by values that have one reader. The threads (0: one per core) change nothing.
std::vector<Equalized> equalize(ir::Model& model, Equalize how, bool per_channel, int threads = 1);
// Pairs that equalize() looks at.
int64_t equalizable(const ir::Model& model);

}  // namespace tersor::quant
