#include "kernels/gram/gram.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"
#include "simd/emu.h"

namespace tersor::kernels::gram {
namespace {

#include "kernels/gram/gram-inl.h"

using Words = std::vector<int16_t>;

Words panel(int64_t pairs, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> code(-255, 255);
  Words v(static_cast<size_t>(pairs * kWidth * 2));
  for (int16_t& x : v) x = static_cast<int16_t>(code(random));
  return v;
}

std::vector<int32_t> reference(const Words& a, const Words& b, int64_t pairs) {
  std::vector<int32_t> out(kWidth * kWidth, 0);
  for (int64_t row = 0; row < 2 * pairs; ++row)
    for (int64_t i = 0; i < kWidth; ++i)
      for (int64_t j = 0; j < kWidth; ++j) {
        const auto at = [&](const Words& v, int64_t column) {
          return int32_t{v[static_cast<size_t>((row / 2 * kWidth + column) * 2 + row % 2)]};
        };
        out[static_cast<size_t>(i * kWidth + j)] += at(a, i) * at(b, j);
      }
  return out;
}

TEST(Gram, EveryIsaEqualsTheReference) {
  for (int64_t pairs : {0, 1, 2, 7, 64}) {
    const Words a = panel(pairs, 1), b = panel(pairs, 2);
    const std::vector<int32_t> want = reference(a, b, pairs);
    std::vector<int32_t> got(want.size(), -1);
    for (base::IsaSet cap : testing::caps()) {
      table(cap).products(a.data(), b.data(), pairs, got.data());
      ASSERT_EQ(got, want) << base::name(table(cap).isa) << " " << pairs;
    }
    products<simd::Emu<512>, 8>(a.data(), b.data(), pairs, got.data());
    ASSERT_EQ(got, want) << pairs;
  }
}

TEST(Gram, TheLargestSumsFit) {
  const Words a(kMostPairs * kWidth * 2, 255);
  std::vector<int32_t> got(kWidth * kWidth);
  table(base::detect_isa()).products(a.data(), a.data(), kMostPairs, got.data());
  EXPECT_EQ(got[0], 2 * 255 * 255 * kMostPairs);
}

}  // namespace
}  // namespace tersor::kernels::gram
