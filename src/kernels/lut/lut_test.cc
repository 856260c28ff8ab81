#include "kernels/lut/lut.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::lut {
namespace {

using namespace kernels::testing;

TEST(Lut, LooksUpEveryByte) {
  const auto entries = random_codes<uint8_t>(256, 9);
  const Floats reals = random_floats(256, -1, 1);
  for (base::IsaSet cap : caps())
    for (int64_t n : kSizes) {
      auto x = random_codes<uint8_t>(n, 4);
      std::vector<uint8_t> y(x.size()), want(x.size());
      Floats f(x.size()), want_f(x.size());
      table(cap).bytes(entries.data(), x.data(), y.data(), n);
      table(cap).floats(reals.data(), x.data(), f.data(), n);
      for (size_t i = 0; i < x.size(); ++i) want[i] = entries[x[i]], want_f[i] = reals[x[i]];
      EXPECT_EQ(y, want) << n;
      EXPECT_EQ(f, want_f) << n;
      table(cap).bytes(entries.data(), x.data(), x.data(), n);
      EXPECT_EQ(x, want) << n;
    }
}

TEST(Lut, LooksUpEveryCodeInEveryPlace) {
  const auto entries = random_codes<uint8_t>(256, 5);
  for (base::IsaSet cap : caps())
    for (int64_t n : {64, 65, 127, 256, 1021})
      for (int first = 0; first < 256; ++first) {
        std::vector<uint8_t> x(static_cast<size_t>(n) + 2, 7), want = x;
        for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
          x[i + 1] = static_cast<uint8_t>(static_cast<size_t>(first) + i);
          want[i + 1] = entries[x[i + 1]];
        }
        table(cap).bytes(entries.data(), x.data() + 1, x.data() + 1, n);
        ASSERT_EQ(x, want) << n << " from " << first;
      }
}

TEST(Lut, BuildsTables) {
  uint8_t entries[256];
  build_requantize({0.1f, 3, false}, {0.1f, -125, true}, entries);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(entries[i], static_cast<uint8_t>(i - 128));
  build_requantize({1.0f, 0, false}, {2.0f, 10, false}, entries);  // halves to even before 10
  EXPECT_EQ(entries[1], 10);
  EXPECT_EQ(entries[3], 12);
  EXPECT_EQ(entries[5], 12);
  build({1.0f, 0, true}, {0.01f, 0, false}, entries, [](float) { return std::nanf(""); });
  EXPECT_EQ(entries[77], 0);
}

}  // namespace
}  // namespace tersor::kernels::lut
