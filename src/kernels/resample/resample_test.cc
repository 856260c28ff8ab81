#include "kernels/resample/resample.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::resample {
namespace {

using namespace kernels::testing;

uint8_t expected(const std::vector<uint8_t>& x, size_t from, size_t step, int32_t count,
                 const int32_t* weights) {
  int64_t sum = int64_t{1} << (kWeightBits - 1);
  for (int32_t k = 0; k < count; ++k)
    sum += int64_t{x[from + static_cast<size_t>(k) * step]} * weights[k];
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> kWeightBits, 0, 255));
}

// Random weights that add up to about 1, some of them below 0.
std::vector<int32_t> random_weights(int64_t n, int64_t width) {
  std::mt19937 random(static_cast<unsigned>(n));
  std::uniform_int_distribution<int32_t> value(-(1 << 19), 1 << 20);
  std::vector<int32_t> w(static_cast<size_t>(n * width));
  for (int32_t& v : w) v = value(random);
  return w;
}

TEST(Resample, RowsOfPixels) {
  constexpr int64_t kWidth = 5;
  for (base::IsaSet cap : caps())
    for (int channels : {1, 3})
      for (int64_t n : {1, 2, 7, 8, 33, 100}) {
        // Exactly as long as the row: a byte beyond is somebody else's.
        const auto x = random_codes<uint8_t>(n * channels, static_cast<unsigned>(n));
        for (int64_t outputs : {int64_t{1}, n, 2 * n + 1}) {
          const std::vector<int32_t> weights = random_weights(outputs, kWidth);
          std::vector<int32_t> first, count;
          for (int64_t i = 0; i < outputs; ++i) {
            first.push_back(static_cast<int32_t>(i * n / outputs));
            count.push_back(static_cast<int32_t>(std::min<int64_t>(n - first.back(), i % 6)));
          }
          std::vector<uint8_t> y(static_cast<size_t>(outputs * channels), 7);
          table(cap).row(x.data(), n, channels, y.data(),
                         {outputs, kWidth, first.data(), count.data(), weights.data()});
          const auto step = static_cast<size_t>(channels);
          for (size_t i = 0; i < first.size(); ++i)
            for (size_t c = 0; c < step; ++c)
              EXPECT_EQ(y[i * step + c], expected(x, static_cast<size_t>(first[i]) * step + c, step,
                                                  count[i], weights.data() + i * kWidth));
        }
      }
}

TEST(Resample, RowsFromRows) {
  for (base::IsaSet cap : caps())
    for (int64_t n : {1, 15, 16, 255, 256, 700})
      for (int64_t count : {1, 3, 5}) {
        const int64_t stride = n + 3;
        const auto x = random_codes<uint8_t>(stride * count);
        const std::vector<int32_t> weights = random_weights(1, count);
        std::vector<uint8_t> y(static_cast<size_t>(n) + 1, 9);
        table(cap).rows(x.data(), stride, count, weights.data(), n, y.data());
        for (size_t i = 0; i < static_cast<size_t>(n); ++i)
          EXPECT_EQ(y[i], expected(x, i, static_cast<size_t>(stride), static_cast<int32_t>(count),
                                   weights.data()));
        EXPECT_EQ(y.back(), 9);
      }
}

}  // namespace
}  // namespace tersor::kernels::resample
