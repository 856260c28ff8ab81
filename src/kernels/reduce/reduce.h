// Reductions of x[outer][length][inner] to y[outer][inner] over the middle axis. Share `outer`
// among threads, or the columns (then x_stride, x_outer and y_outer stay those of the whole).
//   f32         sum, mean, max, min (NaN wins), sum of squares, sum of magnitudes, product. For
//               inner == 1 over 16 interleaved partial results, the same on every ISA, else in the
//               order of the axis: the same bits everywhere.
//   reduce_any  plain loops for any type.
// length == 0 gives 0, NaN (mean), -inf, +inf, 0, 0, 1.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::reduce {

enum class Reduction : uint8_t { sum, mean, max, min, sum_squares, sum_magnitudes, product };
inline constexpr int kReductions = 7;

struct Shape {
  int64_t outer = 1, length = 1, inner = 1;
  int64_t x_stride =
      1;  // elements between x[o][l][0] and x[o][l + 1][0]; inner unless columns are shared
  int64_t x_outer = 1;  // between x[o] and x[o + 1]
  int64_t y_outer = 1;  // between y[o] and y[o + 1]

  static Shape dense(int64_t outer, int64_t length, int64_t inner) noexcept {
    return {outer, length, inner, inner, length * inner, inner};
  }
};
using Function = void (*)(const float* x, float* y, const Shape& shape) noexcept;
struct Table {
  base::Isa isa;
  Function rows[kReductions];
  Function f32(Reduction r) const noexcept { return rows[static_cast<int>(r)]; }
};
const Table& table(base::IsaSet isa) noexcept;

// y[o][i] = finish(fold of step(accumulator, x) from `start`).
template <typename A, typename T, typename U, typename Step, typename Finish>
void reduce_any(const T* x, U* y, const Shape& s, A start, Step step, Finish finish) {
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t i = 0; i < s.inner; ++i) {
      const T* p = x + o * s.x_outer + i;
      A a = start;
      for (int64_t l = 0; l < s.length; ++l) a = step(a, p[l * s.x_stride]);
      y[o * s.y_outer + i] = finish(a);
    }
}

}  // namespace tersor::kernels::reduce
