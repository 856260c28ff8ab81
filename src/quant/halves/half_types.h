// Which operators take half precision: private to the room.
#pragma once

#include <cstdint>
#include <string_view>

#include "tensor/dtype.h"

namespace tersor::quant {

// Bit i: input i stays float32; kOtherOutputs: outputs but the first do. -1: the operator of
// ai.onnx has no form in `half` at this opset. 0 for operators that know no floats.
inline constexpr int kOtherOutputs = 1 << 30;
int float_inputs(std::string_view op, int64_t opset, DType half);

}  // namespace tersor::quant
