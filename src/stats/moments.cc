#include "stats/moments.h"

#include <algorithm>

#include "kernels/vectors/vectors.h"

namespace tersor::stats {
namespace {

namespace vectors = kernels::vectors;
constexpr int64_t kWidth = vectors::kOuterColumns;  // columns of a panel
static_assert(kWidth == 32);

}  // namespace

void MomentRows::reset(size_t rows, size_t columns) {
  constexpr auto kColumns = static_cast<size_t>(kWidth);
  rows_ = rows;
  stride_ = (columns + kColumns - 1) / kColumns * kColumns;
  values_.assign(rows * stride_, 0.0F);
}

void Moments::add_tile(const MomentRows& rows, int64_t tile) {
  static const vectors::Table& table = vectors::table(base::detect_isa());
  const auto [row, before] = panels_of_tile(tile);
  const int64_t column = before * kWidth;
  const float* x = rows.values_.data();
  float products[vectors::kOuterRows * kWidth];
  const int64_t end = std::min((row + 1) * kWidth, columns_);
  for (int64_t from = row * kWidth; from < end; from += vectors::kOuterRows) {
    table.outer(x + from, x + column, static_cast<int64_t>(rows.rows_),
                static_cast<int64_t>(rows.stride_), products);
    for (int64_t i = from; i < std::min(end, from + vectors::kOuterRows); ++i) {
      double* sums = line(i) + column;
      for (int64_t j = 0; j < std::min(kWidth, i - column + 1); ++j)
        sums[j] += static_cast<double>(products[(i - from) * kWidth + j]);
    }
  }
}

}  // namespace tersor::stats
