// Moving elements of 1, 2, 4 or 8 bytes.
//   matrix   y[c][r] = x[r][c] for r < rows, c < columns; the strides are elements between rows of
//   x
//            and between rows of y. NCHW to NHWC is, per image, matrix(x, C, H * W), NHWC to NCHW
//            matrix(x, H * W, C). A piece of it is a matrix too: share by moving the pointers.
//   Permute  y = transpose(x, perm) of any rank, made by make_permute; run_permute does the units
//   of
//            work [begin, end) of plan.rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/isa.h"

namespace tersor::kernels::transpose {

using Matrix = void (*)(const void* x, void* y, int64_t rows, int64_t columns, int64_t x_stride,
                        int64_t y_stride) noexcept;
struct Table {
  base::Isa isa;
  Matrix by_bytes[4];  // elements of 1, 2, 4, 8 bytes

  // Null unless element is 1, 2, 4 or 8.
  Matrix matrix(int element) const noexcept {
    switch (element) {
      case 1:
        return by_bytes[0];
      case 2:
        return by_bytes[1];
      case 4:
        return by_bytes[2];
      case 8:
        return by_bytes[3];
      default:
        return nullptr;
    }
  }
};
const Table& table(base::IsaSet isa) noexcept;

inline constexpr int kMaxRank = 16;
struct Permute {
  int element = 4;
  int rank = 0;                    // of the collapsed output; at least 1 unless empty
  int64_t dims[kMaxRank] = {};     // of the output, outermost first
  int64_t strides[kMaxRank] = {};  // in the input, elements
  enum class Kind : uint8_t { empty, copy, matrix } kind = Kind::empty;
  int matrix_axis = 0;  // kind matrix: the output axis along which the input is contiguous
  int64_t rows = 0;     // units of work to share, see run_permute
  Matrix matrix = nullptr;
};
// Axes of size one vanish and neighbours that stay neighbours become one. nullopt: an element size
// other than 1, 2, 4, 8, a perm that is none, or more than kMaxRank axes left.
std::optional<Permute> make_permute(std::span<const int64_t> dims, std::span<const int> perm,
                                    int element, base::IsaSet isa) noexcept;
void run_permute(const Permute& plan, const void* x, void* y, int64_t begin, int64_t end) noexcept;

}  // namespace tersor::kernels::transpose
