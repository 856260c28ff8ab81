#include "stats/moments.h"

#include <algorithm>

#include "kernels/vectors/vectors.h"

namespace tersor::stats {
namespace {

namespace vectors = kernels::vectors;
constexpr int64_t kWidth = vectors::kOuterColumns;  // columns of a panel

int64_t panels_of(int64_t columns) { return (columns + kWidth - 1) / kWidth; }

}  // namespace

void MomentRows::reset(size_t rows, size_t columns) {
  rows_ = rows;
  stride_ = static_cast<size_t>(panels_of(static_cast<int64_t>(columns)) * kWidth);
  values_.assign(rows * stride_, 0.0F);
}

Moments::Moments(int64_t columns)
    : columns_(columns),
      panels_(panels_of(columns)),
      sums_(static_cast<size_t>(columns * (columns + 1) / 2), 0.0) {}

void Moments::add_tile(const MomentRows& rows, int64_t tile) {
  static const vectors::Table& table = vectors::table(base::detect_isa());
  int64_t row = 0;
  while ((row + 1) * (row + 2) / 2 <= tile) ++row;
  const int64_t column = (tile - row * (row + 1) / 2) * kWidth;
  const float* x = rows.values_.data();
  float products[vectors::kOuterRows * kWidth];
  const int64_t end = std::min((row + 1) * kWidth, columns_);
  for (int64_t from = row * kWidth; from < end; from += vectors::kOuterRows) {
    table.outer(x + from, x + column, static_cast<int64_t>(rows.rows_),
                static_cast<int64_t>(rows.stride_), products);
    for (int64_t i = from; i < std::min(end, from + vectors::kOuterRows); ++i) {
      double* sums = sums_.data() + i * (i + 1) / 2 + column;
      for (int64_t j = 0; j < std::min(kWidth, i - column + 1); ++j)
        sums[j] += static_cast<double>(products[(i - from) * kWidth + j]);
    }
  }
}

}  // namespace tersor::stats
