#include "stats/gram.h"

#include <algorithm>

#include "kernels/gram/gram.h"

namespace tersor::stats {

static_assert(kernels::gram::kWidth == 32);

void GramRows::reset(size_t rows, size_t columns) {
  pairs_ = (rows + 1) / 2;
  const size_t panels = (columns + kWidth - 1) / kWidth;
  values_.assign(panels * pairs_ * kWidth * 2, 0);
}

uint64_t Gram::bytes(int64_t columns) {
  return static_cast<uint64_t>(columns) * static_cast<uint64_t>(columns + 1) / 2 * sizeof(int64_t);
}

void Gram::add_tile(const GramRows& rows, int64_t tile) {
  using kernels::gram::kMostPairs, kernels::gram::kWidth;
  static const kernels::gram::Table& table = kernels::gram::table(base::detect_isa());
  const auto [row, column] = panels_of_tile(tile);
  int32_t products[kWidth * kWidth];
  const auto pairs = static_cast<int64_t>(rows.pairs_);
  for (int64_t from = 0; from < pairs; from += kMostPairs) {
    const int64_t offset = from * kWidth * 2;
    table.products(rows.panel(row) + offset, rows.panel(column) + offset,
                   std::min(kMostPairs, pairs - from), products);
    for (int64_t i = row * kWidth; i < std::min((row + 1) * kWidth, columns_); ++i) {
      int64_t* sums = line(i);
      const int32_t* product = products + i % kWidth * kWidth - column * kWidth;
      for (int64_t j = column * kWidth; j <= std::min(i, (column + 1) * kWidth - 1); ++j)
        sums[j] += product[j];
    }
  }
}

void Gram::add(const GramRows& rows) {
  for (int64_t tile = 0; tile < tiles(); ++tile) add_tile(rows, tile);
}

void Gram::merge(const Gram& other) {
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
}

}  // namespace tersor::stats
