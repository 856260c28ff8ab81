#include "kernels/histogram/histogram.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::histogram {
namespace {

using namespace kernels::testing;

TEST(Histogram, CountsStepsOfMagnitude) {
  constexpr int kBins = 1 + 3 * kSteps;
  constexpr int32_t kFirst = (127 - 2) * kSteps;  // from 1/4 on
  for (base::IsaSet cap : caps())
    for (int64_t n : {0, 1, 3, 8, 33, 511, 512, 513, 2000}) {
      Floats x = random_floats(n, -2.5, 2.5);
      const float special[] = {kNan,    kInf,  -kInf,     1.5f,      -1.5f,  0.0f,
                               -0.0f,   2.0f,  -2.0f,     0.25f,     -0.25f, 1e-42f,
                               -1e-42f, -kNan, 0.249999f, 1.999999f, 3e38f};
      for (size_t i = 0; i < x.size() && i < std::size(special); ++i) x[i] = special[i];
      std::vector<uint32_t> tables(kTables * (2 * kBins + 1));
      table(cap).count(x.data(), n, {kFirst, kBins, tables.data()});
      std::vector<uint32_t> counts(2 * kBins + 1), want(2 * kBins + 1);
      for (size_t i = 0; i < tables.size(); ++i) counts[i % counts.size()] += tables[i];
      for (float v : x) {
        const float m = std::fabs(v);
        int bin = 2 * kBins;
        if (m < 0.25f)
          bin = 0;
        else if (m < 2)
          for (int octave = 0; octave < 3; ++octave) {
            const float low = 0.25f * static_cast<float>(1 << octave);
            if (m >= low && m < 2 * low)
              bin = 1 + octave * kSteps + static_cast<int>((m - low) / low * kSteps);
          }
        if (bin < kBins && v < 0) bin += kBins;
        ++want[static_cast<size_t>(bin)];
      }
      EXPECT_EQ(counts, want) << n;
    }
}

// `extent(values)`: those of x, and none that are finite for x with something else in it.
template <typename F>
void expect_extremes(const Floats& x, F&& extent) {
  const Extent e = extent(x);
  EXPECT_TRUE(e.finite);
  EXPECT_EQ(e.min, *std::ranges::min_element(x));
  EXPECT_EQ(e.max, *std::ranges::max_element(x));
  for (float bad : {kNan, kInf, -kInf})
    for (size_t at : {size_t{0}, x.size() / 2, x.size() - 1}) {
      Floats y = x;
      y[at] = bad;
      EXPECT_FALSE(extent(y).finite);
    }
}

TEST(Histogram, FindsExtremes) {
  for (base::IsaSet cap : caps())
    for (int64_t n : kSizes) {
      if (n == 0) continue;
      expect_extremes(random_floats(n, -2, 2, static_cast<unsigned>(n)),
                      [&](const Floats& y) { return table(cap).extent(y.data(), n); });
    }
}

TEST(Histogram, AddsUpColumns) {
  for (base::IsaSet cap : caps())
    for (int64_t rows : {1, 2, 31, 32, 33, 70})
      for (int64_t columns : {1, 3, 4, 8, 15, 16, 31, 64, 97, 130}) {
        const Floats x = random_floats(rows * columns, -2, 2, static_cast<unsigned>(columns));
        std::vector<double> sums(static_cast<size_t>(columns), 0.5), want = sums;
        for (int64_t from = 0; from < rows; from += kRows)
          for (int64_t c = 0; c < columns; ++c) {
            float part = 0;
            for (int64_t r = from; r < std::min<int64_t>(rows, from + kRows); ++r)
              part += x[static_cast<size_t>(r * columns + c)];
            want[static_cast<size_t>(c)] += double{part};
          }
        std::vector<double> found(sums);
        (void)table(cap).columns(x.data(), rows, columns, found.data());
        EXPECT_EQ(found, want) << rows << " x " << columns;
        expect_extremes(x, [&](const Floats& y) {
          return table(cap).columns(y.data(), rows, columns, sums.data());
        });
      }
}

}  // namespace
}  // namespace tersor::kernels::histogram
