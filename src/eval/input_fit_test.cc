#include "eval/input_fit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/testing.h"

namespace tersor::eval {
namespace {

// Conv and a BatchNormalization that was trained on what standard normal numbers give: mean 0,
// variance `variance` in each channel.
ir::Model normalized(float variance, float mean = 0) {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 3, 8, 8});
  Tensor eye = Tensor::zeros(DType::kFloat32, {3, 3, 1, 1});
  for (size_t c = 0; c < 3; ++c) eye.mutable_data<float>()[4 * c] = 1;
  const auto conv = b.op("Conv", {x, b.constant("w", eye)}, "c");
  const auto three = [&](const char* name, float v) {
    return b.constant(name, Tensor::of<float>({3}, {v, v, v}));
  };
  const auto bn = b.op("BatchNormalization",
                       {conv, three("scale", 1), three("shift", 0), three("mean", mean),
                        three("variance", variance)},
                       "bn");
  return b.finish({b.op("Relu", {bn}, "y")});
}

double misfit(const ir::Model& m) {
  const auto fit = InputFit::of(m, false, 1);
  EXPECT_TRUE(fit);
  const auto data = samples(m, 8);
  return fit->misfit(*data);
}

TEST(InputFit, FollowsTheRunningStatistics) {
  // The divergence of normal distributions: (v - 1 - log v) / 2, v the ratio of variances.
  EXPECT_NEAR(misfit(normalized(0.999F)), 0, 0.01);
  EXPECT_NEAR(misfit(normalized(0.25F)), (4 - 1 - std::log(4)) / 2, 0.15);
  EXPECT_NEAR(misfit(normalized(1, 2)), 2, 0.2);
  const auto fit = InputFit::of(normalized(0.25F), false, 1);
  EXPECT_TRUE(fit->good(0.02));
  EXPECT_FALSE(fit->good(0.8));
  EXPECT_TRUE(fit->clearly_better(0.1, 0.8));
  EXPECT_FALSE(fit->clearly_better(0.7, 0.8));
}

TEST(InputFit, KnowsNothingOfModelsThatWereNotTrained) {
  EXPECT_FALSE(InputFit::of(normalized(1), false, 1));
  EXPECT_FALSE(InputFit::of(residual_model(), false, 1));
}

TEST(InputFit, TakesAnswersThatAreSureAndUnlikeForGood) {
  // Classes by the sign of four numbers, more or less sure.
  const auto model = [](float gain) {
    Builder b;
    const auto x = b.input("x", {ir::Dim("N"), 3, 8, 8});
    const auto flat = b.op("Flatten", {x}, "flat");
    return b.finish({b.op("MatMul", {flat, b.weight("w", {192, 4}, gain)}, "y")});
  };
  const auto missing = [&](float gain) {
    const ir::Model m = model(gain);
    const auto data = samples(m, 16);
    return InputFit::of(m, true, 1)->misfit(*data);
  };
  EXPECT_LT(missing(10), 0.3);
  EXPECT_NEAR(missing(1e-4F), std::log(4), 0.01);
}

}  // namespace
}  // namespace tersor::eval
