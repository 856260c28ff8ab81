// Two 8-bit wires to one, as ONNX evaluates DequantizeLinear, the operator, QuantizeLinear in f32:
//   y = saturate(rint(f(real(a), real(b)) / sy) + zy),   real(q) = float(q - zero) * scale
// without contraction, in this order: bit-identical on every ISA and to the float evaluation. A
// code is a byte, uint8 or int8 as its operand says. A clip between operator and quantization is
// exact as narrower [low, high] of the output, since quantization is monotonic.
#pragma once

#include <cstdint>

#include "base/isa.h"
#include "kernels/elementwise/elementwise.h"

namespace tersor::kernels::elementwise {

struct ByteOperand {
  float scale = 1;
  int32_t zero = 0;
  bool is_signed = false;  // the bytes are int8
};
struct ByteResult {
  float scale = 1;
  int32_t zero = 0;
  bool is_signed = false;
  int32_t low = 0, high = 255;  // within the type
};
// a + b and a - b without a division: qa * factor_a + qb * factor_b + constant, and a * b:
// (qa - za) * (qb - zb) * factor_a, of uint8 codes, int8 ones 128 higher. `settled`: rounded, it
// equals the definition for every pair of codes.
struct ByteEstimate {
  bool settled = false;
  float factor_a = 0, factor_b = 0, constant = 0;
};
struct ByteBinaryCall {
  ByteOperand a, b;
  ByteResult y;
  ByteEstimate estimate = {};
};
// n elements; y may be a or b.
using ByteBinaryFunction = void (*)(const void* a, const void* b, void* y, int64_t n,
                                    const ByteBinaryCall& call) noexcept;

struct ByteTable {
  base::Isa isa;
  ByteBinaryFunction rows[6][kPatterns];  // Binary::add .. Binary::max
  // Looks for an estimate that holds for all 65536 pairs of codes; not settled if there is none, or
  // none for `f`. Only a call with two vectors uses it. Some 50 us.
  ByteEstimate (*settle)(Binary f, const ByteBinaryCall& call) noexcept;

  // Null for Binary::pow.
  ByteBinaryFunction binary(Binary f, Pattern p) const noexcept {
    return f == Binary::pow ? nullptr : rows[static_cast<int>(f)][static_cast<int>(p)];
  }
};
const ByteTable& byte_table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::elementwise
