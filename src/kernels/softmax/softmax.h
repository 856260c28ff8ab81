// Softmax and log-softmax of f32, stable: the largest element is subtracted first.
//   rows     x[rows][n]: over the n elements of each row. y may be x.
//   columns  x[n][inner]: over n, for each of the inner columns [begin, end). y may be x.
//   masked   rows of mask[i] ? fill : x[i] * scale + addend[i]; mask and addend may be null, and
//   move
//            on by their strides from row to row.
// n >= 1. A row with a NaN gives NaN; a row of -inf only gives NaN.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::softmax {

using Rows = void (*)(const float* x, float* y, int64_t rows, int64_t n) noexcept;
using Columns = void (*)(const float* x, float* y, int64_t n, int64_t inner, int64_t begin,
                         int64_t end) noexcept;
struct Mask {
  float scale = 1;
  const uint8_t* mask = nullptr;  // nonzero: `fill` in place of the element
  uint8_t turn = 0;               // 1: zero means `fill`; the bytes are 0 or 1 then
  float fill = 0;
  const float* addend = nullptr;
  int64_t mask_stride = 0, addend_stride = 0;
};
using MaskedRows = void (*)(const float* x, float* y, int64_t rows, int64_t n,
                            const Mask& mask) noexcept;
struct Table {
  base::Isa isa;
  Rows softmax, log_softmax;
  MaskedRows masked;
  Columns softmax_columns, log_softmax_columns;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::softmax
