#include "stats/moments.h"

#include <algorithm>

#include "kernels/vectors/vectors.h"

namespace tersor::stats {
namespace {

constexpr int64_t kWidth = 32;  // columns of a panel

}  // namespace

void MomentRows::reset(size_t rows, size_t columns) {
  rows_ = rows;
  values_.assign(rows * columns, 0.0F);
}

Moments::Moments(int64_t columns)
    : columns_(columns),
      panels_((columns + kWidth - 1) / kWidth),
      sums_(static_cast<size_t>(columns * (columns + 1) / 2), 0.0) {}

void Moments::add_tile(const MomentRows& rows, int64_t tile) {
  static const kernels::vectors::Table& vectors = kernels::vectors::table(base::detect_isa());
  int64_t row = 0;
  while ((row + 1) * (row + 2) / 2 <= tile) ++row;
  const int64_t column = tile - row * (row + 1) / 2;
  const auto count = static_cast<int64_t>(rows.rows_);
  const float* x = rows.values_.data();
  for (int64_t i = row * kWidth; i < std::min((row + 1) * kWidth, columns_); ++i) {
    double* sums = sums_.data() + i * (i + 1) / 2;
    for (int64_t j = column * kWidth; j <= std::min(i, (column + 1) * kWidth - 1); ++j)
      sums[j] += static_cast<double>(vectors.dot(x + i * count, x + j * count, count));
  }
}

}  // namespace tersor::stats
