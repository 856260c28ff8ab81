// Between f32 and the 16-bit floats: exact when widened, rounded to nearest even when narrowed; NaN
// stays NaN. Equal to tensor::to_float, to_half and to_bfloat16 for every input, on every ISA.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::halves {

struct Table {
  base::Isa isa;
  void (*from_half)(const uint16_t* x, float* y, int64_t n) noexcept;
  void (*to_half)(const float* x, uint16_t* y, int64_t n) noexcept;
  void (*from_bfloat16)(const uint16_t* x, float* y, int64_t n) noexcept;
  void (*to_bfloat16)(const float* x, uint16_t* y, int64_t n) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::halves
