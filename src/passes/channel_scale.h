// Scaling and shifting the output channels of an operator by changing its weights.
#pragma once

#include <optional>
#include <span>

#include "passes/editor.h"

namespace tersor::passes {

// An operator whose weights (and bias, if any) are constant floats: Conv, ConvTranspose, Gemm,
// MatMul of a constant right side with two axes.
struct Weighted {
  int64_t channels = 0;
  int axis_from_end = 0;   // of the channels in the output: 0 is the last axis
  bool takes_bias = true;  // false: MatMul
};
std::optional<Weighted> weighted(const Editor& g, ir::NodeId n);

struct Scaled {
  Tensor weights;
  std::optional<Tensor> bias;  // absent: none is needed
};
// The weights of node `n` for which it computes scale[c] * y + shift[c], where it computes y now:
//   W'[c] = W[c] * scale[c]     b'[c] = b[c] * scale[c] + shift[c]
// in double, rounded once. nullopt where a number would not be finite, or a shift is not 0 and n
// takes no bias.
std::optional<Scaled> scaled(const Editor& g, ir::NodeId n, std::span<const double> scale,
                             std::span<const double> shift);
// Gives them to node `n`.
void set_weights(Editor& g, ir::NodeId n, Scaled scaled, const char* origin);

}  // namespace tersor::passes
