// Pooling over channels-last pixels: `run` output pixels side by side, each from `count` input
// pixels. rows[i] points to the `channels` elements of input pixel i of the first one, those of the
// next lie `step` elements further; padding has no pointer. count >= 1, but an average of none is
// the real number 0. y overlaps no input.
//   max      f32: NaN wins. Bytes: the larger code (wires of one format).
//   average  f32: sum / divisor, summed in the order of the rows.
//            Bytes: S = exact int32 sum of (q - zx), so count <= 2^23, and
//            y = saturate(rint(float(S) * multiplier) + zy), halves to even, with
//            multiplier = float(double(sx) / (double(sy) * divisor)).
//            The divisor may exceed the count: padding adds q - zx = 0.
//   global   the average of all `pixels`, lying `stride` elements apart. Share `channels` among
//            threads by moving the pointers.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::pool {

struct ByteAverage {
  float multiplier = 1;
  int32_t zx = 0, zy = 0;
  int32_t low = 0, high = 255;  // of the output codes
};
// float(double(sx) / (double(sy) * divisor)).
inline float average_multiplier(float sx, float sy, int64_t divisor) noexcept {
  return static_cast<float>(static_cast<double>(sx) /
                            (static_cast<double>(sy) * static_cast<double>(divisor)));
}

struct Run {
  int64_t count, step, run, channels;
};

template <typename T>
struct Bytes {
  void (*max)(const T* const* rows, const Run& of, T* y) noexcept;
  void (*average)(const T* const* rows, const Run& of, T* y, const ByteAverage& constants) noexcept;
  void (*global)(const T* x, int64_t pixels, int64_t stride, int64_t channels, T* y,
                 const ByteAverage& constants) noexcept;
};

struct Table {
  base::Isa isa;
  void (*max_f32)(const float* const* rows, const Run& of, float* y) noexcept;
  void (*average_f32)(const float* const* rows, const Run& of, float* y, float divisor) noexcept;
  void (*global_f32)(const float* x, int64_t pixels, int64_t stride, int64_t channels,
                     float* y) noexcept;
  Bytes<uint8_t> u8;
  Bytes<int8_t> s8;
};
const Table& table(base::IsaSet isa) noexcept;

}  // namespace tersor::kernels::pool
