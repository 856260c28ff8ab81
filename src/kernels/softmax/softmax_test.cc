#include "kernels/softmax/softmax.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::softmax {
namespace {

using namespace kernels::testing;

// One column of x[n][inner] in double.
std::vector<double> column(const Floats& x, size_t n, size_t inner, size_t c, bool log) {
  double top = -1e300, sum = 0;
  for (size_t i = 0; i < n; ++i) top = std::max(top, static_cast<double>(x[i * inner + c]));
  for (size_t i = 0; i < n; ++i) sum += std::exp(x[i * inner + c] - top);
  std::vector<double> y(n);
  for (size_t i = 0; i < n; ++i) {
    const double d = x[i * inner + c] - top;
    y[i] = log ? d - std::log(sum) : std::exp(d) / sum;
  }
  return y;
}

// exp: 2e-7 relative, and its argument is rounded once (|d| half units); the sum of n terms, added
// in 16 lanes; the product and the reciprocal.
double bound(double want, double span, size_t n, bool log) {
  const double terms = static_cast<double>(n) / 16 + 8;
  const double sum = 2e-7 + span * 6e-8 + terms * 6e-8;
  return log ? sum + 1.2e-7 * std::fabs(want) + 1.2e-7 * span : want * (2 * sum + 4e-7) + 1e-44;
}

TEST(Softmax, RowsAndColumns) {
  for (base::IsaSet cap : caps())
    for (int64_t n : kSizes)
      for (int64_t inner : {1, 3, 17, 64, 70})
        for (bool log : {false, true}) {
          if (n == 0) continue;
          const Floats x = random_floats(n * inner, -30, 30);
          Floats y = x;
          const Table& t = table(cap);
          if (inner == 1) {
            (log ? t.log_softmax : t.softmax)(y.data(), y.data(), 1, n);
          } else {
            const Columns f = log ? t.log_softmax_columns : t.softmax_columns;
            f(y.data(), y.data(), n, inner, 0, 2);
            f(y.data(), y.data(), n, inner, 2, inner);
          }
          const auto rows = static_cast<size_t>(n), columns = static_cast<size_t>(inner);
          for (size_t c = 0; c < columns; ++c) {
            const auto want = column(x, rows, columns, c, log);
            for (size_t i = 0; i < rows; ++i)
              ASSERT_NEAR(y[i * columns + c], want[i], bound(want[i], 60, rows, log))
                  << n << " x " << inner << " log " << log;
          }
        }
}

TEST(Softmax, SameBitsOnEveryIsa) {
  for (int64_t n : kSizes) {
    if (n == 0) continue;
    const Floats x = random_floats(3 * n, -5, 5);
    Floats want(x.size()), want_log(x.size());
    table({}).softmax(x.data(), want.data(), 3, n);
    table({}).log_softmax(x.data(), want_log.data(), 3, n);
    for (base::IsaSet cap : caps()) {
      Floats y(x.size()), log(x.size());
      table(cap).softmax(x.data(), y.data(), 3, n);
      table(cap).log_softmax(x.data(), log.data(), 3, n);
      EXPECT_TRUE(same_bits(y, want) && same_bits(log, want_log)) << n;
    }
  }
}

TEST(Softmax, Extremes) {
  for (base::IsaSet cap : caps())
    for (bool log : {false, true}) {
      const auto f = log ? table(cap).log_softmax : table(cap).softmax;
      Floats x = {-kInf, 3e38f, -3e38f, 3e38f}, y(4);
      f(x.data(), y.data(), 1, 4);
      EXPECT_NEAR(y[1], log ? -std::log(2.0f) : 0.5f, 1e-6f);
      EXPECT_EQ(y[0], log ? -kInf : 0.0f);
      x = {1, kNan, 2, 3};
      f(x.data(), y.data(), 1, 4);
      for (float v : y) EXPECT_TRUE(std::isnan(v)) << log;
    }
}

}  // namespace
}  // namespace tersor::kernels::softmax
