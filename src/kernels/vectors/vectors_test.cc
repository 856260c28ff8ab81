#include "kernels/vectors/vectors.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::vectors {
namespace {

using namespace kernels::testing;

TEST(Vectors, SameBitsOnEveryIsa) {
  for (int64_t n : kSizes) {
    const Floats x = random_floats(n, -3, 5, 1), y = random_floats(n, -2, 2, 2);
    double want = 0;
    for (size_t i = 0; i < x.size(); ++i)
      want += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    Floats less = y;
    for (size_t i = 0; i < x.size(); ++i) less[i] -= 0.3f * x[i];
    const float first = table({}).dot(x.data(), y.data(), n);
    EXPECT_NEAR(first, want, 10.0 * static_cast<double>(n) * 0x1p-24 * 15);
    for (base::IsaSet cap : caps()) {
      EXPECT_EQ(table(cap).dot(x.data(), y.data(), n), first) << n;
      Floats z = y;
      table(cap).subtract(0.3f, x.data(), z.data(), n);
      EXPECT_TRUE(same_bits(z, less)) << n;
    }
  }
}

TEST(Vectors, OuterProductsOfRows) {
  constexpr int64_t kStride = 40;
  for (int64_t rows : {0, 1, 7, 100}) {
    const Floats x = random_floats(rows * kStride, -2, 3, 3);
    Floats wanted(kOuterRows * kOuterColumns, 0.0F);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < kOuterRows; ++i)
        for (int64_t j = 0; j < kOuterColumns; ++j)
          wanted[static_cast<size_t>(i * kOuterColumns + j)] +=
              x[static_cast<size_t>(r * kStride + 3 + i)] * x[static_cast<size_t>(r * kStride + j)];
    for (base::IsaSet cap : caps()) {
      Floats sums(wanted.size(), 1.0F);
      table(cap).outer(x.data() + 3, x.data(), rows, kStride, sums.data());
      EXPECT_TRUE(same_bits(sums, wanted)) << rows;
    }
  }
}

}  // namespace
}  // namespace tersor::kernels::vectors
