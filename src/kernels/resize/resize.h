// 2-D resizing of one channels-last image x[h][w][channels] to y[oh][ow][channels], by tables that
// the caller makes once per shape. Functions compute the output rows [begin, end); pointers are
// those of the whole image.
//   nearest  y[i][j] = x[rows[i]][columns[j]]; pixel_bytes = channels * element size
//   linear   top = a + (b - a) * columns.weight[j], a = x[rows.lower[i]][columns.lower[j]],
//                                                   b = x[rows.lower[i]][columns.upper[j]]
//            bottom likewise from row rows.upper[i]
//            y = top + (bottom - top) * rows.weight[i]
//            in f32 and in this order. Bytes: on the reals float(q - zx) * sx, and then
//            saturate(rint(y / sy) + zy).
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::resize {

struct Image {
  int64_t w = 1;   // input columns
  int64_t ow = 1;  // output columns
  int64_t channels = 1;
};
struct Taps {
  const int32_t* lower = nullptr;
  const int32_t* upper = nullptr;
  const float* weight = nullptr;  // of upper
};
struct ByteFormats {
  float sx = 1, sy = 1;
  int32_t zx = 0, zy = 0;
};

template <typename T>
using LinearBytes = void (*)(const T* x, T* y, const Image& image, const Taps& rows,
                             const Taps& columns, int64_t begin, int64_t end,
                             const ByteFormats& formats) noexcept;
struct Table {
  base::Isa isa;
  void (*linear_f32)(const float* x, float* y, const Image& image, const Taps& rows,
                     const Taps& columns, int64_t begin, int64_t end) noexcept;
  LinearBytes<uint8_t> linear_u8;
  LinearBytes<int8_t> linear_s8;
};
const Table& table(base::IsaSet isa) noexcept;

void nearest(const void* x, void* y, int64_t w, int64_t ow, int64_t pixel_bytes,
             const int32_t* rows, const int32_t* columns, int64_t begin, int64_t end) noexcept;

}  // namespace tersor::kernels::resize
