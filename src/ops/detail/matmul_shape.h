// Shapes of numpy's matmul: batches broadcast, 1-D operands get an axis that vanishes again.
#pragma once

#include "ops/operator.h"

namespace tersor::ops::detail {

struct MatMulShape {
  Dims batch;  // of the output
  int64_t m = 1, n = 1, k = 1;
  bool row = false, column = false;  // a is 1-D, b is 1-D
  Dims out;                          // the output's dimensions
};
// An Error (E17) if they do not fit.
MatMulShape matmul_shape(std::span<const int64_t> a, std::span<const int64_t> b);
std::optional<ir::Shape> infer_matmul(const std::optional<ir::Shape>& a,
                                      const std::optional<ir::Shape>& b);
// For every output matrix the index of its a and b matrix, in order.
std::vector<std::pair<int64_t, int64_t>> matmul_batches(const MatMulShape& shape,
                                                        std::span<const int64_t> a,
                                                        std::span<const int64_t> b);

}  // namespace tersor::ops::detail
