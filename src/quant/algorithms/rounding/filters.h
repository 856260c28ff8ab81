// The filters of a layer on their way through rounding.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/patches.h"
#include "quant/algorithms/rounding/lattice.h"
#include "runtime/pool.h"

namespace tersor::quant {

constexpr double kDamping = 0.01;  // of a lattice

// The moments of a group as a quadratic form for one filter, or the first `n` numbers of it.
struct Form {
  std::vector<float> h;      // [n][n]: per row, mean taken out if the bias takes it up
  std::vector<double> mean;  // [n], of each input
};
// moments: of stats/gram.h or moments.h, the last column of ones.
template <typename Moments>
Form form_of(const Moments& moments, int64_t n, bool centred) {
  const int64_t ones = moments.columns() - 1;
  const double rows = std::max(static_cast<double>(moments.at(ones, ones)), 1.0);
  Form f;
  for (int64_t k = 0; k < n; ++k) f.mean.push_back(static_cast<double>(moments.at(ones, k)) / rows);
  f.h.resize(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      const double product = static_cast<double>(moments.at(i, j)) / rows;
      const double mean =
          centred ? f.mean[static_cast<size_t>(i)] * f.mean[static_cast<size_t>(j)] : 0;
      f.h[static_cast<size_t>(i * n + j)] = f.h[static_cast<size_t>(j * n + i)] =
          static_cast<float>(product - mean);
    }
  return f;
}

// prepare(group, first filter, last, pool or null) gives what rounds the filters [from, to) of a
// group, which several threads do, a block that shares a pass over the form at a time.
template <typename Prepare>
void for_each_block(const ops::Filters& filters, runtime::ThreadPool& pool, Prepare&& prepare) {
  constexpr int64_t kBlock = 8;
  const int64_t per_group = filters.count / filters.groups;
  // Of a depthwise layer every group is small, of others there is little but one.
  const auto group = [&](int64_t g, runtime::ThreadPool* threads) {
    const int64_t first = g * per_group;
    const auto round = prepare(g, first, first + per_group, threads);
    const auto blocks = [&](int64_t begin, int64_t end, int) {
      for (int64_t b = begin; b < end; ++b)
        round(first + b * kBlock, first + std::min(per_group, (b + 1) * kBlock));
    };
    const int64_t count = (per_group + kBlock - 1) / kBlock;
    threads ? threads->parallel_for(count, 1, blocks) : blocks(0, count, 0);
  };
  if (filters.groups == 1)
    group(0, &pool);
  else
    pool.parallel_for(filters.groups, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t g = begin; g < end; ++g) group(g, nullptr);
    });
}

}  // namespace tersor::quant
