#include "kernels/elementwise/quantized_binary.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::elementwise {
namespace {

using namespace kernels::testing;
using Bytes = std::vector<uint8_t>;

float real(uint8_t code, const ByteOperand& o) {
  const int q = o.is_signed ? static_cast<int8_t>(code) : code;
  return static_cast<float>(q - o.zero) * o.scale;
}
float apply(Binary f, float a, float b) {
  switch (f) {
    case Binary::add:
      return a + b;
    case Binary::sub:
      return a - b;
    case Binary::mul:
      return a * b;
    case Binary::div:
      return a / b;
    case Binary::min:
      return std::min(a, b);
    default:
      return std::max(a, b);
  }
}
uint8_t expected(Binary f, uint8_t a, uint8_t b, const ByteBinaryCall& k) {
  const float v = apply(f, real(a, k.a), real(b, k.b)) / k.y.scale;
  if (std::isnan(v)) return static_cast<uint8_t>(k.y.low);
  const double q = std::nearbyint(static_cast<double>(v)) + k.y.zero;
  return static_cast<uint8_t>(static_cast<int>(std::clamp<double>(q, k.y.low, k.y.high)));
}

TEST(QuantizedBinary, EveryFunctionPatternAndType) {
  for (base::IsaSet cap : caps())
    for (int f = 0; f < 6; ++f)
      for (int p = 0; p < kPatterns; ++p)
        for (int types = 0; types < 8; ++types)
          for (int64_t n : kSizes) {
            ByteBinaryCall k;
            k.a = {0.037f, types & 1 ? -5 : 120, (types & 1) != 0};
            k.b = {0.11f, types & 2 ? 3 : 0, (types & 2) != 0};
            k.y = {0.071f, types & 4 ? -128 : 7, (types & 4) != 0, 0, 255};
            if (types & 4) k.y.low = -128, k.y.high = 127;
            if (n == 17) k.y.low = 10, k.y.high = 90;
            Bytes a = random_codes<uint8_t>(n + 1, 1), b = random_codes<uint8_t>(n + 1, 2);
            Bytes y(static_cast<size_t>(n)), want(y);
            byte_table(cap).binary(static_cast<Binary>(f), static_cast<Pattern>(p))(
                a.data(), b.data(), y.data(), n, k);
            for (size_t i = 0; i < y.size(); ++i)
              want[i] =
                  expected(static_cast<Binary>(f), p == 2 ? a[0] : a[i], p == 1 ? b[0] : b[i], k);
            ASSERT_EQ(y, want) << f << " " << p << " " << types << " " << n;
          }
}

// Every pair of codes; scales whose quotients are ties for many pairs, and scales far apart.
TEST(QuantizedBinary, EveryPairOfCodes) {
  const float scales[][3] = {{0.5f, 0.25f, 1.0f},      {1.0f, 1.0f, 2.0f},     {0.1f, 0.2f, 0.3f},
                             {0.02f, 0.02f, 0.04f},    {1e-3f, 1.0f, 0.7f},    {3.0f, 1e-4f, 1e-2f},
                             {1e-20f, 1e-20f, 1e-38f}, {0.037f, 0.11f, 0.071f}};
  Bytes a, b;
  for (int i = 0; i < 65536; ++i) {
    a.push_back(static_cast<uint8_t>(i));
    b.push_back(static_cast<uint8_t>(i >> 8));
  }
  for (base::IsaSet cap : caps())
    for (Binary f : {Binary::add, Binary::sub, Binary::mul})
      for (const auto& s : scales) {
        ByteBinaryCall k;
        k.a = {s[0], 128, false};
        k.b = {s[1], 3, false};
        k.y = {s[2], 100, false, 0, 255};
        Bytes y(a.size()), want(y);
        byte_table(cap).binary(f, Pattern::vector_vector)(a.data(), b.data(), y.data(), 65536, k);
        for (size_t i = 0; i < y.size(); ++i) want[i] = expected(f, a[i], b[i], k);
        ASSERT_EQ(y, want) << static_cast<int>(f) << " " << s[0];
        k.estimate = byte_table(cap).settle(f, k);
        byte_table(cap).binary(f, Pattern::vector_vector)(a.data(), b.data(), y.data(), 65536, k);
        ASSERT_EQ(y, want) << "settled " << static_cast<int>(f) << " " << s[0];
      }
}

// Of scales as models have them most are settled.
TEST(QuantizedBinary, EstimatesAreSettled) {
  std::mt19937 gen(5);
  std::uniform_real_distribution<float> scale(0.01f, 0.05f);
  for (base::IsaSet cap : caps()) {
    int settled = 0;
    for (int i = 0; i < 40; ++i) {
      ByteBinaryCall k;
      k.a = {scale(gen), i % 2 ? 117 : -9, i % 2 == 0};
      k.b = {scale(gen), 0, false};
      k.y = {scale(gen), i % 3 ? 0 : 3, false, 0, 255};
      k.estimate = byte_table(cap).settle(Binary::add, k);
      settled += k.estimate.settled ? 1 : 0;
    }
    EXPECT_GE(settled, 36);
  }
}

}  // namespace
}  // namespace tersor::kernels::elementwise
