#include "kernels/quantize/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/loops/testing.h"

namespace tersor::kernels::quantize {
namespace {

using namespace kernels::testing;

template <typename T>
const Codes<T>& codes(const Table& t) {
  if constexpr (std::is_same_v<T, uint8_t>) return t.u8;
  if constexpr (std::is_same_v<T, int8_t>) return t.s8;
  if constexpr (std::is_same_v<T, uint16_t>) return t.u16;
  if constexpr (std::is_same_v<T, int16_t>) return t.s16;
}

// The definition, in double where that is exact.
template <typename T>
T expected(float x, float scale, int32_t zero, int32_t low, int32_t high) {
  const float q = x / scale;
  if (std::isnan(q)) return static_cast<T>(low);
  const double v = std::nearbyint(static_cast<double>(q)) + zero;
  return static_cast<T>(std::clamp<double>(v, low, high));
}

Floats inputs(int64_t n) {
  Floats x = random_floats(n, -40.0f, 40.0f, static_cast<unsigned>(n) + 7);
  const float special[] = {kNan, kInf,  -kInf,  0.0f,   -0.0f,   1e30f,  -1e30f,
                           0.5f, 1.25f, 0.125f, 0.375f, -0.375f, 1e-40f, 2e9f};
  for (size_t i = 0; i < x.size() && i < std::size(special); ++i) x[x.size() - 1 - i] = special[i];
  return x;
}

// Every build that this machine runs.
std::vector<const Table*> tables() {
  std::vector<const Table*> all;
  for (base::IsaSet cap : caps()) all.push_back(&table(cap));
  if (caps().back().has(base::Isa::avx512))
    all.push_back(&table_with(caps().back(), !base::divides_quickly()));
  return all;
}

template <typename T>
class Quantize : public ::testing::Test {};
using Types = ::testing::Types<uint8_t, int8_t, uint16_t, int16_t>;
TYPED_TEST_SUITE(Quantize, Types);

TYPED_TEST(Quantize, Runs) {
  using T = TypeParam;
  constexpr int32_t kLow = std::numeric_limits<T>::min(), kHigh = std::numeric_limits<T>::max();
  const Format<T> formats[] = {{0.25f, 0},
                               {0.1f, (kLow + kHigh) / 2 + 3},
                               {1e-30f, kHigh},
                               {0.3f, kLow, kLow + 1, kHigh - 2}};
  for (const Table* t : tables())
    for (int64_t n : kSizes)
      for (const Format<T>& f : formats) {
        const Floats x = inputs(n);
        std::vector<T> y(x.size()), want(x.size());
        codes<T>(*t).quantize(x.data(), y.data(), n, f);
        for (size_t i = 0; i < x.size(); ++i)
          want[i] = expected<T>(x[i], f.scale, f.zero, f.low, f.high);
        EXPECT_EQ(y, want) << n << " on " << base::name(t->isa);

        Floats back(x.size()), want_back(x.size());
        codes<T>(*t).dequantize(y.data(), back.data(), n, f.scale, f.zero);
        for (size_t i = 0; i < x.size(); ++i)
          want_back[i] = static_cast<float>(static_cast<int32_t>(y[i]) - f.zero) * f.scale;
        EXPECT_TRUE(same_bits(back, want_back));
      }
}

// Quotients next to where codes change, for scales of all kinds: nothing is rounded twice.
TYPED_TEST(Quantize, RoundsQuotientsOnce) {
  using T = TypeParam;
  constexpr int32_t kLow = std::numeric_limits<T>::min(), kHigh = std::numeric_limits<T>::max();
  std::mt19937 random(5);
  Floats scales = random_floats(300, 1.0f, 2.0f, 6);
  for (float& s : scales) s = std::ldexp(s, static_cast<int>(random() % 40) - 30);
  for (float s : {0x1.fffffep-3f, 0x1.000002p0f, 0x1p-70f, -0.1f, 0x1p63f, 1e-38f})
    scales.push_back(s);
  for (float scale : scales) {
    Floats x;
    for (int i = 0; i < 400; ++i) {
      const double tie = static_cast<double>(random() % (kHigh - kLow)) + kLow + 0.5;
      float near = static_cast<float>(tie * static_cast<double>(scale));
      for (int step = static_cast<int>(random() % 7) - 3; step != 0; step += step < 0 ? 1 : -1)
        near = std::nextafter(near, step < 0 ? -kInf : kInf);
      x.push_back(near);
    }
    for (const Table* t : tables()) {
      std::vector<T> y(x.size()), want(x.size());
      codes<T>(*t).quantize(x.data(), y.data(), static_cast<int64_t>(x.size()), {scale, 0});
      for (size_t i = 0; i < x.size(); ++i) want[i] = expected<T>(x[i], scale, 0, kLow, kHigh);
      EXPECT_EQ(y, want) << scale << " on " << base::name(t->isa);
    }
  }
}

TYPED_TEST(Quantize, Columns) {
  using T = TypeParam;
  constexpr int64_t kRows = 3;
  for (const Table* t : tables())
    for (int64_t n : kSizes)
      for (bool zeros : {false, true}) {
        const Floats x = inputs(kRows * n), scale = random_floats(n, 0.1f, 0.9f);
        std::vector<int32_t> zero;
        for (T z : random_codes<T>(n)) zero.push_back(z);
        ColumnFormat<T> f;
        f.scale = scale.data();
        f.zero = zeros ? zero.data() : nullptr;
        std::vector<T> y(x.size()), want(x.size());
        Floats back(x.size()), want_back(x.size());
        codes<T>(*t).quantize_columns(x.data(), y.data(), kRows, n, f);
        codes<T>(*t).dequantize_columns(y.data(), back.data(), kRows, n, f.scale, f.zero);
        for (size_t i = 0; i < x.size(); ++i) {
          const size_t c = i % static_cast<size_t>(n);
          const int32_t z = zeros ? zero[c] : 0;
          want[i] = expected<T>(x[i], scale[c], z, f.low, f.high);
          want_back[i] = static_cast<float>(static_cast<int32_t>(y[i]) - z) * scale[c];
        }
        EXPECT_EQ(y, want) << n;
        EXPECT_TRUE(same_bits(back, want_back)) << n;
      }
}

TYPED_TEST(Quantize, PlanesToPixels) {
  using T = TypeParam;
  const Format<T> f{0.2f, 5};
  for (const Table* t : tables())
    for (int64_t channels : {1, 2, 3, 4, 5, 15, 16, 17, 40})
      for (int64_t plane : {1, 5, 64, 81, 150}) {
        const Floats x = inputs(channels * plane);
        std::vector<T> y(x.size(), 1), want(x.size(), 1);
        const int64_t begin = plane / 3, end = plane - plane / 5;
        codes<T>(*t).planes_to_pixels(x.data(), y.data(), channels, plane, begin, end, f);
        for (int64_t p = begin; p < end; ++p)
          for (int64_t c = 0; c < channels; ++c)
            want[static_cast<size_t>(p * channels + c)] =
                expected<T>(x[static_cast<size_t>(c * plane + p)], f.scale, f.zero, f.low, f.high);
        EXPECT_EQ(y, want) << channels << " x " << plane;
      }
}

TEST(Dequantize, Int32) {
  for (const Table* t : tables())
    for (int64_t n : kSizes) {
      const auto x = random_codes<int32_t>(n);
      Floats y(x.size()), want(x.size()), columns(x.size());
      const Floats scale(x.size(), 0.37f);
      t->dequantize_s32(x.data(), y.data(), n, 0.37f, 0);
      t->dequantize_s32_columns(x.data(), columns.data(), 1, n, scale.data(), nullptr);
      for (size_t i = 0; i < x.size(); ++i) want[i] = static_cast<float>(x[i]) * 0.37f;
      EXPECT_TRUE(same_bits(y, want) && same_bits(columns, want));
    }
}

TEST(Scan, CountsWhatIsNotFinite) {
  for (const Table* t : tables())
    for (int64_t n : {0, 1, 15, 16, 17, 4096, 4097, 10000})
      for (bool special : {false, true}) {
        Floats x = random_floats(n, -3.0f, 5.0f);
        if (special && n > 10) x[0] = kInf, x[5] = kNan, x[static_cast<size_t>(n) - 1] = -kInf;
        Scan want;
        for (float v : x) {
          if (std::isnan(v))
            ++want.nan;
          else if (std::isinf(v))
            ++want.inf;
          else
            want.min = std::min(want.min, v), want.max = std::max(want.max, v);
        }
        Scan s;
        t->scan(x.data(), n / 3, s);
        t->scan(x.data() + n / 3, n - n / 3, s);
        EXPECT_EQ(s.min, want.min) << n;
        EXPECT_EQ(s.max, want.max) << n;
        EXPECT_EQ(s.nan, want.nan) << n;
        EXPECT_EQ(s.inf, want.inf) << n;
      }
}

}  // namespace
}  // namespace tersor::kernels::quantize
