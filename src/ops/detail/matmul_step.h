// Matrix products as steps: batches, 1-D operands, constant or computed right operands.
#pragma once

#include "ops/detail/matmul_shape.h"
#include "ops/detail/product.h"

namespace tersor::ops::detail {

struct MatMulForm {
  size_t a = 0, b = 1;                            // inputs of the node
  bool transpose_a = false, transpose_b = false;  // of matrices (Gemm); no batches then
  const Tensor* constant = nullptr;               // b, if known
  // The heads of an attention, where they lie: an input or output [batch, heads, rows, columns] is
  // [batch, rows, heads, columns] in memory, b also [batch, columns, heads, rows].
  bool a_heads = false, b_heads = false, b_heads_transposed = false, out_heads = false;

  // Columns of b, or -1 if they are not known.
  int64_t columns(const runtime::BindContext& c) const;
};

struct FloatMatMulOptions {
  kernels::FloatType type = kernels::FloatType::f32;  // of a, b, addend and result
  Bounds bounds{};
  std::vector<float> bias = {};  // per column, or none
  std::optional<size_t> addend =
      {};           // input: a vector per column (f32 only) or a matrix of the output's shape
  float alpha = 1;  // constant b only
};
std::optional<runtime::Bound> matmul_float(const MatMulForm& form, FloatMatMulOptions options,
                                           base::IsaSet isa);

struct ByteMatMulOptions {
  ByteNumbers numbers = {};
  std::vector<float> fbias = {};  // f32 output: added in float, per column
  // Inputs read at run time: the zero point of a; the scale of a, by which `numbers.scale` is
  // multiplied.
  std::optional<size_t> a_zero = {}, a_scale = {};
};
std::optional<runtime::Bound> matmul_u8s8(const MatMulForm& form, ByteMatMulOptions options,
                                          base::IsaSet isa);

// Says of a Gemm or MatMul that it has its constant operand and bias packed.
inline std::optional<runtime::Bound> packing(std::optional<runtime::Bound> bound,
                                             const runtime::BindContext& c) {
  for (int i : {1, 2})
    if (bound && c.has(static_cast<size_t>(i)) && c.in(static_cast<size_t>(i)).constant)
      bound->has_packed({i});
  return bound;
}

// A vector of one element per column from a constant float bias of shape [], [1], [n], [1, n] ...;
// nullopt if it is no such thing.
std::optional<std::vector<float>> column_bias(const Tensor& t, int64_t n);

}  // namespace tersor::ops::detail
