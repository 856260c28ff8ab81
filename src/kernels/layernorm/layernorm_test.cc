#include "kernels/layernorm/layernorm.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::layernorm {
namespace {

using namespace kernels::testing;

// One row and more, fewer and more than a pass has in hand.
constexpr int64_t kRowCounts[] = {1, 2, 4, 5, 9};

void against_double(base::IsaSet cap, int64_t rows, int64_t n, int variant) {
  const auto width = static_cast<size_t>(n), count = static_cast<size_t>(rows);
  const bool rms = variant & 4;
  const Floats x = random_floats(rows * n, -1, 3), gamma = random_floats(n, -2, 2, 2),
               beta = random_floats(n, -2, 2, 3);
  Floats y = x, mean(count), inverse(count);
  Call call;
  call.x = call.y = y.data();
  call.gamma = variant & 1 ? gamma.data() : nullptr;
  call.beta = variant & 2 ? beta.data() : nullptr;
  call.mean = mean.data();
  call.inverse = inverse.data();
  call.epsilon = 1e-3f;
  (rms ? table(cap).rmsnorm : table(cap).layernorm)(call, rows, n);
  for (size_t r = 0; r < count; ++r) {
    const float* row = x.data() + r * width;
    double m = 0, v = 0;
    for (size_t i = 0; i < width && !rms; ++i) m += row[i] / static_cast<double>(n);
    for (size_t i = 0; i < width; ++i) v += (row[i] - m) * (row[i] - m) / static_cast<double>(n);
    const double s = 1 / std::sqrt(v + 1e-3);
    // The mean is off by `terms` half units of 3, the deviation by as many of itself.
    const double unit = 6e-8, terms = static_cast<double>(n) / 16 + 8;
    const double off = 3 * terms * unit;
    EXPECT_NEAR(mean[r], m, off);
    EXPECT_NEAR(inverse[r], s, s * (terms + 4) * unit + s * s * off);
    for (size_t i = 0; i < width; ++i) {
      const double g = variant & 1 ? gamma[i] : 1, b = variant & 2 && !rms ? beta[i] : 0;
      const double want = (row[i] - m) * s * g + b;
      const double bound = std::fabs(g) * s * off * (1 + std::fabs(row[i] - m) * s) +
                           std::fabs(want - b) * (terms + 8) * unit + 3 * unit;
      ASSERT_NEAR(y[r * width + i], want, bound) << rows << " x " << n << " " << variant;
    }
  }
}

TEST(Layernorm, AgainstDouble) {
  for (base::IsaSet cap : caps())
    for (int64_t rows : kRowCounts)
      for (int64_t n : kSizes)
        for (int variant = 0; variant < 8 && n > 0; ++variant)
          against_double(cap, rows, n, variant);
}

// Short rows in one pass, long ones step by step: every build gives the same bits.
TEST(Layernorm, SameBitsOnEveryIsa) {
  for (int64_t n : {48, 100, 768, 1601, 5000})
    for (int64_t rows : kRowCounts) {
      const Floats x = random_floats(rows * n, -1, 3);
      Floats first;
      for (base::IsaSet cap : caps()) {
        Floats y(x.size());
        Call call;
        call.x = x.data();
        call.y = y.data();
        table(cap).layernorm(call, rows, n);
        if (first.empty()) first = y;
        EXPECT_EQ(y, first) << rows << " x " << n << " on " << base::name(table(cap).isa);
      }
    }
}

}  // namespace
}  // namespace tersor::kernels::layernorm
