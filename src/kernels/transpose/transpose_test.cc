#include "kernels/transpose/transpose.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/loops/testing.h"

namespace tersor::kernels::transpose {
namespace {

using namespace kernels::testing;
using Bytes = std::vector<uint8_t>;

TEST(Transpose, Matrix) {
  for (base::IsaSet cap : caps())
    for (int element : {1, 2, 4, 8})
      for (int64_t rows : {0, 1, 3, 4, 5, 16, 17, 63, 64, 65, 100})
        for (int64_t columns : {0, 1, 3, 4, 7, 8, 16, 31, 33, 130})
          for (int64_t more : {0, 3}) {
            const int64_t xs = columns + more, ys = rows + more;
            const Bytes x = random_codes<uint8_t>(rows * xs * element);
            Bytes y(static_cast<size_t>(columns * ys * element), 1), want = y;
            table(cap).matrix(element)(x.data(), y.data(), rows, columns, xs, ys);
            for (int64_t r = 0; r < rows; ++r)
              for (int64_t c = 0; c < columns; ++c)
                std::memcpy(want.data() + (c * ys + r) * element, x.data() + (r * xs + c) * element,
                            static_cast<size_t>(element));
            ASSERT_EQ(y, want) << element << ": " << rows << " x " << columns << " + " << more;
          }
  EXPECT_EQ(table({}).matrix(3), nullptr);
}

Bytes expected(const std::vector<int64_t>& dims, const std::vector<int>& perm, int element,
               const Bytes& x) {
  const size_t rank = dims.size();
  std::vector<int64_t> strides(rank), index(rank);
  int64_t total = 1;
  for (size_t i = rank; i-- > 0;) strides[i] = total, total *= dims[i];
  Bytes y(x.size());
  for (int64_t o = 0; o < total; ++o) {
    int64_t rest = o, from = 0;
    for (size_t i = rank; i-- > 0;) {
      const auto axis = static_cast<size_t>(perm[i]);
      from += rest % dims[axis] * strides[axis];
      rest /= dims[axis];
    }
    std::memcpy(y.data() + o * element, x.data() + from * element, static_cast<size_t>(element));
  }
  return y;
}

TEST(Transpose, Permutes) {
  const std::vector<std::vector<int64_t>> shapes = {
      {},        {5},          {3, 4},         {70, 90},        {2, 3, 4},
      {5, 1, 7}, {2, 3, 5, 7}, {1, 3, 20, 20}, {2, 3, 1, 4, 5}, {3, 0, 4},
      {1, 1, 1}};
  for (base::IsaSet cap : caps())
    for (const auto& dims : shapes)
      for (int element : {1, 2, 4, 8}) {
        std::vector<int> perm(dims.size());
        std::iota(perm.begin(), perm.end(), 0);
        int64_t total = element;
        for (int64_t d : dims) total *= d;
        const Bytes x = random_codes<uint8_t>(total);
        do {
          const auto plan = make_permute(dims, perm, element, cap);
          ASSERT_TRUE(plan);
          Bytes y(x.size(), 1);
          const int64_t cut = plan->rows / 2;
          run_permute(*plan, x.data(), y.data(), cut, plan->rows);
          run_permute(*plan, x.data(), y.data(), 0, cut);
          ASSERT_EQ(y, expected(dims, perm, element, x));
        } while (std::ranges::next_permutation(perm).found);
      }
}

TEST(Transpose, RefusesWhatIsNoPermutation) {
  const std::vector<int64_t> dims = {2, 3};
  EXPECT_FALSE(make_permute(dims, std::vector<int>{0, 0}, 4, {}));
  EXPECT_FALSE(make_permute(dims, std::vector<int>{0, 2}, 4, {}));
  EXPECT_FALSE(make_permute(dims, std::vector<int>{0}, 4, {}));
  EXPECT_FALSE(make_permute(dims, std::vector<int>{1, 0}, 3, {}));
  std::vector<int> perm(20);
  for (int i = 0; i < 20; ++i) perm[static_cast<size_t>(i)] = 19 - i;
  EXPECT_FALSE(make_permute(std::vector<int64_t>(20, 2), perm, 1, {}));
}

}  // namespace
}  // namespace tersor::kernels::transpose
