#include "stats/gram.h"

#include <gtest/gtest.h>

#include <random>

namespace tersor::stats {
namespace {

TEST(Gram, SumsProductsOfEveryTwoColumns) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> code(-255, 255);
  for (int64_t columns : {1, 31, 32, 33, 70}) {
    constexpr int64_t kRows = 9;
    std::vector<std::vector<int>> x(kRows, std::vector<int>(static_cast<size_t>(columns)));
    for (auto& row : x)
      for (int& v : row) v = code(random);
    const auto rows_of = [&](size_t from, size_t to) {
      GramRows rows;
      const auto width = static_cast<size_t>(columns);
      rows.reset(to - from, width);
      for (size_t r = from; r < to; ++r)
        for (size_t c = 0; c < width; ++c) rows.set(r - from, c, x[r][c]);
      return rows;
    };
    Gram all(columns), first(columns), rest(columns);
    all.add(rows_of(0, kRows));
    first.add(rows_of(0, 4));
    rest.add(rows_of(4, kRows));
    for (int64_t i = 0; i < columns; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        int64_t sum = 0;
        for (const auto& row : x) sum += row[static_cast<size_t>(i)] * row[static_cast<size_t>(j)];
        ASSERT_EQ(all.at(i, j), sum) << columns << " " << i << " " << j;
      }
    rest.merge(first);
    EXPECT_EQ(rest, all);
  }
}

}  // namespace
}  // namespace tersor::stats
