#include "stats/moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tersor::stats {
namespace {

TEST(Moments, SumProductsOfEveryTwoColumns) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  constexpr size_t kParts = 3, kRows = 9;
  for (int64_t columns : {1, 31, 32, 33, 70}) {
    const auto width = static_cast<size_t>(columns);
    Moments all(columns);
    std::vector<double> wanted(width * width, 0), size(width * width, 0);
    for (size_t part = 0; part < kParts; ++part) {
      MomentRows rows;
      rows.reset(kRows, width);
      std::vector<std::vector<double>> x(kRows, std::vector<double>(width));
      for (size_t r = 0; r < kRows; ++r)
        for (size_t c = 0; c < width; ++c) {
          const float v = normal(random);
          rows.set(r, c, v);
          x[r][c] = static_cast<double>(v);
        }
      for (const auto& row : x)
        for (size_t i = 0; i < width; ++i)
          for (size_t j = 0; j < width; ++j) {
            wanted[i * width + j] += row[i] * row[j];
            size[i * width + j] += std::fabs(row[i] * row[j]);
          }
      for (int64_t tile = 0; tile < all.tiles(); ++tile) all.add_tile(rows, tile);
    }
    // Each part rounds its products and sums to floats.
    constexpr double kBound = 0x1p-24 * (kRows + 1);
    for (size_t i = 0; i < width; ++i)
      for (size_t j = 0; j < width; ++j)
        ASSERT_NEAR(all.at(static_cast<int64_t>(i), static_cast<int64_t>(j)), wanted[i * width + j],
                    kBound * size[i * width + j])
            << columns << " " << i << " " << j;
  }
}

}  // namespace
}  // namespace tersor::stats
