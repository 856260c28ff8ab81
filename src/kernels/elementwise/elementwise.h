// f32, element by element. Ranges are contiguous; y may be x, a or b (the same pointer), but must
// not overlap them otherwise.
//   binary  y[i] = clamp(f(a[i], b[i]), low, high), one operand may be a single element
//   unary   y[i] = f(x[i])
// Add, sub, mul, div, min, max, sqrt, reciprocal, the roundings, relu, clip, leaky_relu, neg, abs
// are exact (correctly rounded, NaN goes through; min and max of a NaN is NaN). exp, erf, tanh,
// sigmoid, log and what is made of them are polynomials (math-inl.h states each error bound); no
// FMA is used, so that every ISA gives the same bits. pow is the C library's, except for the single
// exponents 2, 1, 0.5 and -1.
#pragma once

#include <cstdint>
#include <limits>

#include "base/isa.h"

namespace tersor::kernels::elementwise {

enum class Binary : uint8_t { add, sub, mul, div, min, max, pow };
inline constexpr int kBinaries = 7;

enum class Unary : uint8_t {
  relu,
  leaky_relu,  // x < 0 ? alpha * x : x
  clip,        // to [alpha, beta]
  sigmoid,
  tanh,
  erf,
  gelu,       // x / 2 * (1 + erf(x / sqrt 2))
  gelu_tanh,  // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  exp,
  log,
  sqrt,
  reciprocal,
  hard_sigmoid,  // clamp(alpha * x + beta, 0, 1)
  hard_swish,    // x * clamp(x / 6 + 1/2, 0, 1)
  softplus,      // log(1 + exp(x))
  silu,          // x * sigmoid(alpha * x)
  neg,
  abs,
  floor,
  ceil,
  round,  // halves to even
  elu,    // x < 0 ? alpha * (exp(x) - 1) : x
  mish,   // x * tanh(softplus(x))
};
inline constexpr int kUnaries = 23;

// Which operand moves.
enum class Pattern : uint8_t { vector_vector, vector_scalar, scalar_vector };
inline constexpr int kPatterns = 3;

struct Clamp {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};
struct Arguments {
  float alpha = 1, beta = 0;
};

using BinaryFunction = void (*)(const float* a, const float* b, float* y, int64_t n,
                                Clamp clamp) noexcept;
using UnaryFunction = void (*)(const float* x, float* y, int64_t n, Arguments arguments) noexcept;

struct Table {
  base::Isa isa;
  BinaryFunction binary_rows[kBinaries][kPatterns];
  UnaryFunction unary_rows[kUnaries];

  BinaryFunction binary(Binary f, Pattern p) const noexcept {
    return binary_rows[static_cast<int>(f)][static_cast<int>(p)];
  }
  UnaryFunction unary(Unary f) const noexcept { return unary_rows[static_cast<int>(f)]; }
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::elementwise
