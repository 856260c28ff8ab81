#include "kernels/layernorm/layernorm.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::layernorm {
namespace {

using namespace kernels::testing;

TEST(Layernorm, AgainstDouble) {
  constexpr int64_t kRows = 3;
  for (base::IsaSet cap : caps())
    for (int64_t n : kSizes)
      for (int variant = 0; variant < 8; ++variant) {
        if (n == 0) continue;
        const auto width = static_cast<size_t>(n);
        const bool rms = variant & 4;
        const Floats x = random_floats(kRows * n, -1, 3), gamma = random_floats(n, -2, 2, 2),
                     beta = random_floats(n, -2, 2, 3);
        Floats y = x, mean(kRows), inverse(kRows);
        Call call;
        call.x = call.y = y.data();
        call.gamma = variant & 1 ? gamma.data() : nullptr;
        call.beta = variant & 2 ? beta.data() : nullptr;
        call.mean = mean.data();
        call.inverse = inverse.data();
        call.epsilon = 1e-3f;
        (rms ? table(cap).rmsnorm : table(cap).layernorm)(call, kRows, n);
        for (size_t r = 0; r < kRows; ++r) {
          const float* row = x.data() + r * width;
          double m = 0, v = 0;
          for (size_t i = 0; i < width && !rms; ++i) m += row[i] / static_cast<double>(n);
          for (size_t i = 0; i < width; ++i)
            v += (row[i] - m) * (row[i] - m) / static_cast<double>(n);
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
            ASSERT_NEAR(y[r * width + i], want, bound) << n << " " << variant;
          }
        }
      }
}

}  // namespace
}  // namespace tersor::kernels::layernorm
