// Between f32 and integer codes, and what a range of floats looks like.
//   quantize    y = saturate(rint(x / scale) + zero): the quotient in f32, halves to even, rounded
//               before the zero point is added; saturated to [low, high]. NaN gives low.
//   dequantize  y = float(x - zero) * scale. For int32 the difference wraps at 32 bits.
//   _columns    a matrix of `rows` rows of n elements, with a scale and a zero point for each of
//               the n columns. A scale along any other axis is a call of quantize per scale.
// Scales are not zero. Bit-identical on every ISA. Ranges are contiguous: share [0, n) or the rows
// among threads as you like.
#pragma once

#include <cstdint>
#include <limits>

#include "base/isa.h"

namespace tersor::kernels::quantize {

template <typename T>
struct Format {
  float scale = 1;
  int32_t zero = 0;
  int32_t low = std::numeric_limits<T>::min();  // of the codes, within T
  int32_t high = std::numeric_limits<T>::max();
};
template <typename T>
struct ColumnFormat {
  const float* scale = nullptr;   // [n]
  const int32_t* zero = nullptr;  // [n], or null for zeros
  int32_t low = std::numeric_limits<T>::min();
  int32_t high = std::numeric_limits<T>::max();
};

template <typename T>
struct Codes {
  void (*quantize)(const float* x, T* y, int64_t n, const Format<T>& format) noexcept;
  void (*quantize_columns)(const float* x, T* y, int64_t rows, int64_t n,
                           const ColumnFormat<T>& format) noexcept;
  void (*dequantize)(const T* x, float* y, int64_t n, float scale, int32_t zero) noexcept;
  void (*dequantize_columns)(const T* x, float* y, int64_t rows, int64_t n, const float* scale,
                             const int32_t* zero) noexcept;
  // One image, x[channels][plane] (NCHW) to y[plane][channels] (NHWC), quantized on the way; only
  // the pixels [begin, end). Pointers are those of the whole image.
  void (*planes_to_pixels)(const float* x, T* y, int64_t channels, int64_t plane, int64_t begin,
                           int64_t end, const Format<T>& format) noexcept;
};

// Smallest and largest finite value (+inf, -inf while there is none), and how many were not finite.
struct Scan {
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  int64_t nan = 0, inf = 0;
};

struct Table {
  base::Isa isa;
  Codes<uint8_t> u8;
  Codes<int8_t> s8;
  Codes<uint16_t> u16;
  Codes<int16_t> s16;
  void (*dequantize_s32)(const int32_t* x, float* y, int64_t n, float scale, int32_t zero) noexcept;
  void (*dequantize_s32_columns)(const int32_t* x, float* y, int64_t rows, int64_t n,
                                 const float* scale, const int32_t* zero) noexcept;
  // Adds n values to what `scan` holds.
  void (*scan)(const float* x, int64_t n, Scan& scan) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;
// With AVX-512 quotients are divisions or, to the same bits, products; above as this CPU is faster.
const Table& table_with(base::IsaSet isa, bool divides) noexcept;

}  // namespace tersor::kernels::quantize
