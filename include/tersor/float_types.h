// Storage types narrower than float, and their exact conversions (IEEE 754 binary16, bfloat16, and
// the ONNX 8- and 4-bit floats). Rounding is to nearest, ties to even; NaN stays NaN.
#pragma once

#include <bit>
#include <cstdint>

#include "tersor/dtype.h"

namespace tersor {

struct Half {
  uint16_t bits = 0;
};
struct Bfloat16 {
  uint16_t bits = 0;
};

namespace tensor {

float to_float(Half h) noexcept;
Half to_half(float f) noexcept;

inline float to_float(Bfloat16 b) noexcept {
  return std::bit_cast<float>(static_cast<uint32_t>(b.bits) << 16);
}
Bfloat16 to_bfloat16(float f) noexcept;

// Any float type of at most 8 bits, by its code. `saturate` as in the ONNX Cast operator: values
// beyond the largest finite one become that one, else infinity or NaN.
float small_to_float(DType type, uint8_t bits) noexcept;
uint8_t float_to_small(DType type, float f, bool saturate) noexcept;

}  // namespace tensor
}  // namespace tersor
