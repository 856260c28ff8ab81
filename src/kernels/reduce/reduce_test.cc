#include "kernels/reduce/reduce.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::reduce {
namespace {

using namespace kernels::testing;

double expected(Reduction r, const float* x, int64_t n, int64_t stride, double& magnitude) {
  double sum = 0, low = INFINITY, high = -INFINITY, squares = 0, product = 1;
  magnitude = 0;
  bool nan = false;
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i * stride];
    nan |= std::isnan(v);
    sum += v, low = std::min(low, v), high = std::max(high, v), squares += v * v;
    magnitude += std::fabs(v), product *= v;
  }
  if (nan) return NAN;
  switch (r) {
    case Reduction::sum:
      return sum;
    case Reduction::mean:
      return sum / static_cast<double>(n);
    case Reduction::max:
      return high;
    case Reduction::min:
      return low;
    case Reduction::sum_squares:
      return squares;
    case Reduction::sum_magnitudes:
      return magnitude;
    case Reduction::product:
      return product;
  }
  return 0;
}

TEST(Reduce, EveryFunctionAndShape) {
  for (base::IsaSet cap : caps())
    for (int f = 0; f < kReductions; ++f)
      for (int64_t length : {0, 1, 2, 15, 16, 17, 40, 200})
        for (int64_t inner : {1, 2, 16, 17, 64, 70, 130}) {
          const auto r = static_cast<Reduction>(f);
          const Shape s = Shape::dense(2, length, inner);
          Floats x = random_floats(2 * length * inner, -1.2f, 1.2f);
          if (length == 17) x[5] = kNan;
          Floats y(static_cast<size_t>(2 * inner));
          table(cap).f32(r)(x.data(), y.data(), s);
          for (int64_t o = 0; o < 2; ++o)
            for (int64_t i = 0; i < inner; ++i) {
              double magnitude;
              const double want =
                  expected(r, x.data() + o * length * inner + i, length, inner, magnitude);
              const float got = y[static_cast<size_t>(o * inner + i)];
              if (std::isnan(want) || std::isinf(want)) {
                EXPECT_TRUE(std::isnan(want) ? std::isnan(got) : got == want) << f << " " << length;
                continue;
              }
              // Each of n additions or products rounds once.
              const double scale = r == Reduction::product ? std::fabs(want) : 2 * magnitude;
              const double bound = static_cast<double>(length + 2) * 6e-8 * scale + 1e-40;
              const bool exact = r == Reduction::max || r == Reduction::min;
              ASSERT_NEAR(got, want, exact ? 0 : bound) << f << " " << length << " " << inner;
            }
        }
}

TEST(Reduce, SharedColumnsAndSameBits) {
  const Floats x = random_floats(3 * 50 * 90, -1, 1);
  const Shape whole = Shape::dense(3, 50, 90);
  Floats want(3 * 90);
  table({}).f32(Reduction::sum)(x.data(), want.data(), whole);
  for (base::IsaSet cap : caps()) {
    Floats y(want.size());
    for (int64_t begin : {0, 33}) {
      Shape piece = whole;
      piece.inner = begin ? 90 - 33 : 33;
      table(cap).f32(Reduction::sum)(x.data() + begin, y.data() + begin, piece);
    }
    EXPECT_TRUE(same_bits(y, want));
    float a, b;
    table({}).f32(Reduction::sum)(x.data(), &a, Shape::dense(1, 1000, 1));
    table(cap).f32(Reduction::sum)(x.data(), &b, Shape::dense(1, 1000, 1));
    EXPECT_EQ(a, b);
  }
}

TEST(Reduce, AnyType) {
  const int32_t x[] = {1, 2, 3, 4, 5, 6};
  int64_t y[2];
  reduce_any<int64_t>(
      x, y, Shape::dense(1, 3, 2), 0, [](int64_t a, int32_t v) { return a + v; },
      [](int64_t a) { return a; });
  EXPECT_EQ(y[0], 9);
  EXPECT_EQ(y[1], 12);
}

}  // namespace
}  // namespace tersor::kernels::reduce
