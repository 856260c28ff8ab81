// What the forms of dwconv share: blocks of channels, weights, and where the pixels under a row of
// outputs lie.
#pragma once

#include <algorithm>

#include "kernels/dwconv/dwconv.h"

namespace tersor::kernels {

inline int64_t blocks(int64_t channels, int64_t block) noexcept {
  return (channels + block - 1) / block;
}

inline int32_t weight(const void* w, const DwconvU8S8Constants& k, int64_t positions, int64_t c,
                      int64_t p) noexcept {
  const int64_t at = c * positions + p;
  const int32_t zw = k.zw_count == 0 ? 0 : k.zw[k.zw_count == 1 ? 0 : c];
  return (k.w_signed ? int32_t{static_cast<const int8_t*>(w)[at]}
                     : int32_t{static_cast<const uint8_t*>(w)[at]}) -
         zw;
}

// Columns of the input, padding included, that `outputs` neighbours read.
inline int64_t line_width(const ConvShape& s, int64_t outputs) noexcept {
  return (outputs - 1) * s.stride_w + s.kw;
}

// columns[ky][j], ky < rows: the pixels under output row y, j counted from the first column of
// padding. Lines beyond the image are padding.
template <typename T>
void find_columns(const ConvShape& s, const T* in, const T* padding, int64_t y, int64_t rows,
                  int64_t width, const T** columns) noexcept {
  const int64_t image = y / s.oh, y0 = y % s.oh * s.stride_h - s.pad_top;
  for (int64_t ky = 0; ky < rows; ++ky) {
    const int64_t line = y0 + ky * s.dilation_h;
    const bool inside = line >= 0 && line < s.h;
    const int64_t first = inside ? std::min(s.pad_left, width) : width;
    const int64_t last = inside ? std::clamp(s.pad_left + s.w, first, width) : width;
    const T* pixel = inside ? in + ((image * s.h + line) * s.w + first - s.pad_left) * s.c : in;
    std::fill(columns, columns + first, padding);
    for (int64_t j = first; j < last; ++j, pixel += s.c) columns[j] = pixel;
    std::fill(columns + last, columns + width, padding);
    columns += width;
  }
}

// Channels taken together so that the lines of the input that following output rows share stay in
// L1; all of them where that would be slices too thin to fetch well.
inline int64_t channel_piece(const ConvShape& s, int64_t width, int64_t unit,
                             int64_t element) noexcept {
  constexpr int64_t kLineBytes = 20 << 10, kThin = 256;
  const int64_t piece = kLineBytes / (s.kh * width * unit * element) * unit;
  return piece * element < kThin ? s.c : piece;
}

// Channel x of a block of bytes lies at this place of the accumulators after the verb zip4.
inline int64_t zip_place(int64_t x, int64_t block) noexcept {
  return x % 16 / 4 * (block / 4) + x / 16 * 4 + x % 4;
}

// k x k, the same stride of 1 or 2 both ways, no dilation.
inline bool square_window(const ConvShape& s, int64_t k) noexcept {
  return s.kh == k && s.kw == k && s.stride_h == s.stride_w &&
         (s.stride_w == 1 || s.stride_w == 2) && s.dilation_h == 1 && s.dilation_w == 1;
}

// How a form that takes two rows of outputs at once has packed its weights and reads its pixels.
struct TwoRowsLayout {
  int64_t channels, block_bytes;  // of a block
  int64_t width;                  // columns of the input that a row of outputs reads
  int64_t weight_bytes;           // of blocks that stay in L1 together with the lines of the input
};

// Rows of the input that two rows of outputs read.
inline int64_t rows_of_two(const ConvShape& s) noexcept { return s.kh + s.stride_h; }

inline size_t two_rows_scratch_bytes(const ConvShape& s, int64_t width) noexcept {
  return static_cast<size_t>(rows_of_two(s) * width) * sizeof(void*);
}

// kernel(t) for `rows` of the output two by two, the second missing at the end of an image or of
// `rows`.
inline void run_two_rows(const TwoRowsLayout& layout, const ConvShape& s,
                         const DwconvU8S8Tile& common, const DwconvU8S8Call& call, Range rows,
                         std::byte* scratch,
                         void (*kernel)(const DwconvTwoRows&) noexcept) noexcept {
  const auto** columns = reinterpret_cast<const uint8_t**>(scratch);
  DwconvTwoRows t;
  t.common = common;
  t.common.block_bytes = layout.block_bytes;
  t.columns = columns;
  t.width = layout.width;
  t.k = static_cast<int>(s.kw);
  t.stride = static_cast<int>(s.stride_w);
  t.count = s.ow;
  const int64_t lines = channel_piece(s, layout.width, layout.channels, 1) / layout.channels;
  const int64_t piece =
      std::max<int64_t>(1, std::min(lines, layout.weight_bytes / layout.block_bytes));
  const int64_t all = blocks(s.c, layout.channels), line = s.ow * s.c * element_bytes(call.kind);
  for (int64_t b = 0; b < all; b += piece) {
    t.blocks = {b, std::min(b + piece, all)};
    for (int64_t y = rows.begin; y < rows.end;) {
      const bool two = y + 1 < rows.end && y % s.oh + 1 < s.oh;
      find_columns(s, static_cast<const uint8_t*>(call.in),
                   static_cast<const uint8_t*>(call.padding), y, rows_of_two(s), t.width, columns);
      t.out[0] = static_cast<std::byte*>(call.out) + y * line;
      t.out[1] = two ? t.out[0] + line : nullptr;
      kernel(t);
      y += two ? 2 : 1;
    }
  }
}

}  // namespace tersor::kernels
