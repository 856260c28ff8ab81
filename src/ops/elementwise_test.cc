#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "ops/detail/testing.h"

namespace tersor::ops::testing {
namespace {

using Floats = std::vector<float>;
using Longs = std::vector<int64_t>;

Tensor f(Dims dims, std::initializer_list<float> v) {
  return Tensor::of<float>(std::move(dims), v);
}
Tensor l(Dims dims, std::initializer_list<int64_t> v) {
  return Tensor::of<int64_t>(std::move(dims), v);
}

TEST(Elementwise, EveryFloatTypeTakesTheSamePath) {
  const Tensor x = f({3}, {-1.5f, 0.0f, 2.25f});
  for (DType type : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBfloat16}) {
    const Tensor y = run("Neg", 13, {tensor::cast(x, type)})[0];
    EXPECT_EQ(y.dtype(), type);
    EXPECT_EQ(floats(y), (Floats{1.5f, -0.0f, -2.25f})) << tensor::name(type);
  }
}

TEST(Elementwise, RoundsHalvesToEven) {
  EXPECT_EQ(floats(run("Round", 11, {f({5}, {0.5f, 1.5f, 2.5f, -0.5f, -2.6f})})[0]),
            (Floats{0, 2, 2, -0.0f, -3}));
}

TEST(Elementwise, Broadcasts) {
  const Tensor a = f({2, 1, 3}, {1, 2, 3, 4, 5, 6}), b = f({2, 1}, {10, 20});
  const Tensor y = run("Add", 14, {a, b})[0];
  EXPECT_EQ(y.dims(), (Dims{2, 2, 3}));
  EXPECT_EQ(floats(y), (Floats{11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26}));
  EXPECT_THROW(run("Add", 14, {a, f({2}, {1, 2})}), Error);
}

TEST(Elementwise, IntegersWrapAndDivideTowardZero) {
  const int64_t low = std::numeric_limits<int64_t>::lowest();
  EXPECT_EQ(longs(run("Div", 14, {l({3}, {-7, 7, low}), l({3}, {2, -2, -1})})[0]),
            (Longs{-3, -3, low}));
  EXPECT_EQ(longs(run("Abs", 13, {l({1}, {low})})[0]), (Longs{low}));
  EXPECT_THROW(run("Div", 14, {l({1}, {1}), l({1}, {0})}), Error);
  EXPECT_THROW(run("Mod", 13, {l({1}, {1}), l({1}, {0})}), Error);
  EXPECT_EQ(longs(run("Mod", 13, {l({4}, {-7, 7, -7, low}), l({4}, {3, -3, -3, -1})})[0]),
            (Longs{2, -2, -1, 0}));
}

TEST(Elementwise, ClipTakesAttributesOrInputs) {
  const Tensor x = f({3}, {-2, 0.5f, 9});
  EXPECT_EQ(floats(run("Clip", 6, {x}, {{"min", -1.0f}, {"max", 6.0f}})[0]), (Floats{-1, 0.5f, 6}));
  EXPECT_EQ(floats(run("Clip", 13, {x, Tensor(), Tensor::scalar(6.0f)})[0]), (Floats{-2, 0.5f, 6}));
  EXPECT_EQ(longs(run("Clip", 13, {l({2}, {-5, 5}), Tensor::scalar<int64_t>(0)})[0]),
            (Longs{0, 5}));
}

TEST(Elementwise, MaxPropagatesNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Floats y = floats(run("Max", 13, {f({2}, {nan, 1}), f({2}, {1, nan})})[0]);
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
}

TEST(Elementwise, PowMixesTypes) {
  EXPECT_EQ(floats(run("Pow", 15, {f({3}, {2, 3, 4}), l({1}, {2})})[0]), (Floats{4, 9, 16}));
  EXPECT_EQ(longs(run("Pow", 15, {l({3}, {2, -1, 3}), l({3}, {10, -3, -2})})[0]),
            (Longs{1024, -1, 0}));
}

TEST(Elementwise, ActivationsStayFiniteFarOut) {
  const Tensor x = f({2}, {-1000, 1000});
  EXPECT_EQ(floats(run("Sigmoid", 13, {x})[0]), (Floats{0, 1}));
  EXPECT_EQ(floats(run("Softplus", 1, {x})[0]), (Floats{0, 1000}));
  EXPECT_EQ(floats(run("Mish", 18, {x})[0])[1], 1000);
  EXPECT_EQ(floats(run("HardSwish", 14, {x})[0])[1], 1000);
}

TEST(Elementwise, CastClampsAndReadsText) {
  EXPECT_EQ(longs(run("Cast", 13, {f({3}, {-1.9f, 300, 7.9f})}, {{"to", int64_t{2}}})[0]),
            (Longs{0, 255, 7}));
  EXPECT_EQ(
      floats(run("Cast", 13, {Tensor::of_strings({2}, {"1e2", "-0.5"})}, {{"to", int64_t{1}}})[0]),
      (Floats{100, -0.5f}));
  EXPECT_THROW(run("Cast", 13, {Tensor::of_strings({1}, {"x"})}, {{"to", int64_t{1}}}), Error);
  EXPECT_THROW(run("Cast", 13, {f({1}, {0})}, {{"to", int64_t{77}}}), Error);
}

TEST(Elementwise, WhereAndLogic) {
  const Tensor condition = run("Greater", 13, {f({2, 1}, {1, -1}), f({}, {0})})[0];
  EXPECT_EQ(floats(run("Where", 16, {condition, f({1, 2}, {1, 2}), f({}, {9})})[0]),
            (Floats{1, 2, 9, 9}));
  EXPECT_THROW(run("And", 7, {f({1}, {1}), f({1}, {1})}), Error);
}

}  // namespace
}  // namespace tersor::ops::testing
