// A quantized model for another target, without the data it was calibrated on.
#pragma once

#include "ir/model.h"
#include "quant/targets/target.h"

namespace tersor::quant {

struct Retargeted {
  ir::Model model;
  int64_t values = 0;  // stored in 8 bits
  int64_t moved = 0;   // of these and of weights, got another type and zero point: the same numbers
  int64_t biases = 0;  // were floats and are rounded to 32 bits, by half a unit of the sums at most
};

// QuantizeLinear and DequantizeLinear in the places and types that the target wants, with the same
// scales: the model computes the same. E33 (kUnsupported) where that cannot be, saying why: a zero
// point that the target does not take, a value that would have to be rounded and has no scale, or
// would no longer be rounded; operators on codes (QLinearConv, ...); E34 if the model is not
// quantized; E32 its opset.
Retargeted retarget(const ir::Model& model, const Target& target);

}  // namespace tersor::quant
