#include "kernels/halves/halves.h"

#include <gtest/gtest.h>

#include <bit>

#include "kernels/loops/testing.h"

namespace tersor::kernels::halves {
namespace {

// An independent form: by the numbers' meaning, in double.
double meaning(uint16_t h) {
  const int exponent = h >> 10 & 31, mantissa = h & 1023;
  const double sign = h & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? NAN : sign * HUGE_VAL;
  return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24));
}

TEST(Halves, EveryPatternIsWidenedExactly) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  testing::Floats wide(all.size());
  std::vector<uint16_t> back(all.size());
  for (base::IsaSet cap : testing::caps()) {
    const Table& t = table(cap);
    t.from_half(all.data(), wide.data(), 65536);
    t.to_half(wide.data(), back.data(), 65536);
    for (size_t i = 0; i < all.size(); ++i) {
      const double want = meaning(all[i]);
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(wide[i])) << i;
        ASSERT_EQ(back[i] & 0x7e00, 0x7e00) << i;
      } else {
        ASSERT_EQ(static_cast<double>(wide[i]), want) << i;
        ASSERT_EQ(back[i], all[i]) << i;
      }
    }
    t.from_bfloat16(all.data(), wide.data(), 65536);
    t.to_bfloat16(wide.data(), back.data(), 65536);
    for (size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(wide[i]), static_cast<uint32_t>(i) << 16);
      ASSERT_EQ(back[i], std::isnan(wide[i]) ? (all[i] | 0x40) : all[i]);
    }
  }
}

// The nearest of the two neighbours, the even one of equals.
TEST(Halves, RandomFloatsGoToTheNearest) {
  std::mt19937 random(3);
  testing::Floats x(200003);
  for (float& v : x) v = std::bit_cast<float>(static_cast<uint32_t>(random()));
  const float special[] = {0.0F,         -0.0F,     65504.0F,   65519.996F,      65520.0F,
                           0x1p-24F,     0x1p-25F,  0x1.8p-25F, 0x1.000002p-25F, 0x1.ffcp-15F,
                           0x1.ffep-15F, HUGE_VALF, -HUGE_VALF};
  std::copy(std::begin(special), std::end(special), x.begin());
  std::vector<uint16_t> h(x.size()), portable(x.size());
  table(base::IsaSet{}).to_half(x.data(), portable.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) continue;
    const double v = std::fabs(static_cast<double>(x[i]));
    const uint16_t got = portable[i] & 0x7fff;
    const double half_step_up = 65520;
    if (got == 0x7c00) {
      ASSERT_GE(v, half_step_up);
      continue;
    }
    const double here = meaning(got),
                 up = got == 0x7bff ? 65536.0 : meaning(static_cast<uint16_t>(got + 1)),
                 down = got == 0 ? 0.0 : meaning(static_cast<uint16_t>(got - 1));
    ASSERT_LE(std::fabs(v - here), std::fabs(v - up)) << x[i];
    ASSERT_LE(std::fabs(v - here), got == 0 ? HUGE_VAL : std::fabs(v - down)) << x[i];
    if (std::fabs(v - here) == std::fabs(v - up)) {
      ASSERT_EQ(got & 1, 0) << x[i];
    }
  }
  for (base::IsaSet cap : testing::caps())
    for (int64_t n : testing::kSizes) {
      table(cap).to_half(x.data(), h.data(), n);
      for (int64_t i = 0; i < n; ++i)
        ASSERT_EQ(h[static_cast<size_t>(i)], portable[static_cast<size_t>(i)]);
    }
}

}  // namespace
}  // namespace tersor::kernels::halves
