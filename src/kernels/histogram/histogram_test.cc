#include "kernels/histogram/histogram.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::histogram {
namespace {

using namespace kernels::testing;

TEST(Histogram, CountsEqualBins) {
  for (base::IsaSet cap : caps())
    for (int64_t n : kSizes)
      for (bool magnitudes : {false, true}) {
        Floats x = random_floats(n, -2, 2);
        const float special[] = {kNan, kInf, -kInf, 1.5f, -1.5f, 0.0f, -0.0f};
        for (size_t i = 0; i < x.size() && i < std::size(special); ++i) x[i] = special[i];
        const float low = magnitudes ? 0 : -1.5f, high = 1.5f;
        std::vector<uint64_t> counts(37, 2), want(37, 2);
        const int64_t left = (magnitudes ? table(cap).magnitudes : table(cap).values)(
            x.data(), n, {low, high, 37, counts.data()});
        int64_t want_left = 0;
        const float scale = 37.0f / (high - low);
        for (float v : x) {
          if (magnitudes) v = std::fabs(v);
          const float p = (v - low) * scale;
          if (v == high)
            ++want[36];
          else if (p >= 0 && p < 37)
            ++want[static_cast<size_t>(p)];
          else
            ++want_left;
        }
        EXPECT_EQ(counts, want);
        EXPECT_EQ(left, want_left);
      }
}

}  // namespace
}  // namespace tersor::kernels::histogram
