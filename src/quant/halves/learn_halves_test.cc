#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ops/testing_graph.h"
#include "quant/halves/halves.h"

namespace tersor::quant {
namespace {

using ir::ValueId;
using ops::testing::Builder;
using ops::testing::random_tensor;

constexpr int64_t kInputs = 24, kOutputs = 10;

// y = x w + b
ir::Model gemm(const Tensor& weight, const Tensor& bias) {
  Builder b;
  const ValueId x = b.input("x", {4, kInputs});
  const ValueId w = b.constant("w", weight), c = b.constant("b", bias);
  return b.finish({b.op("Gemm", {x, w, c}, "y")});
}

// Rows with means and a common part, as activations have; the last column is ones.
std::vector<std::vector<float>> rows(size_t count) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> all(count, std::vector<float>(kInputs + 1, 1.0F));
  for (auto& row : all) {
    const float common = normal(random);
    for (size_t k = 0; k < kInputs; ++k)
      row[k] = 1 + (k % 2 ? common : -common) + 0.3F * normal(random);
  }
  return all;
}
std::map<std::string, std::vector<stats::Moments>> moments_of(
    const std::vector<std::vector<float>>& x) {
  stats::Moments m(kInputs + 1);
  stats::MomentRows part;
  part.reset(x.size(), kInputs + 1);
  for (size_t r = 0; r < x.size(); ++r)
    for (size_t k = 0; k <= kInputs; ++k) part.set(r, k, x[r][k]);
  for (int64_t tile = 0; tile < m.tiles(); ++tile) m.add_tile(part, tile);
  return {{"y", {m}}};
}

// Mean square of what the outputs change by.
double error_of(const std::vector<std::vector<float>>& x, const Tensor& w, const Tensor& b,
                const Tensor& w2, const Tensor& b2) {
  double sum = 0;
  for (const auto& row : x)
    for (int64_t m = 0; m < kOutputs; ++m) {
      double d = tensor::as_double(b2, m) - tensor::as_double(b, m);
      for (int64_t k = 0; k < kInputs; ++k)
        d += static_cast<double>(row[static_cast<size_t>(k)]) *
             (tensor::as_double(w2, k * kOutputs + m) - tensor::as_double(w, k * kOutputs + m));
      sum += d * d;
    }
  return sum;
}

bool same(const Tensor& a, const Tensor& b) {
  return std::ranges::equal(a.data<float>(), b.data<float>());
}

class LearnHalves : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, LearnHalves, testing::Values(DType::kFloat16, DType::kBfloat16));

TEST_P(LearnHalves, OutputsComeCloserThanByRoundingToNearest) {
  const Tensor w = random_tensor({kInputs, kOutputs}, 1);
  Tensor b = random_tensor({kOutputs}, 2);
  for (float& v : b.mutable_data<float>()) v *= 40;  // large beside the weights: coarse steps
  const auto x = rows(400);
  const auto learned = learn_halves(gemm(w, b), GetParam(), moments_of(x), false);
  const LearnedWeights& y = learned.at("y");
  const auto half = [&](const Tensor& t) {
    return tensor::cast(tensor::cast(t, GetParam()), DType::kFloat32);
  };
  EXPECT_TRUE(same(half(y.weight), y.weight));
  EXPECT_TRUE(same(half(*y.bias), *y.bias));
  EXPECT_LT(error_of(x, w, b, y.weight, *y.bias), 0.2 * error_of(x, w, b, half(w), half(b)));
}

TEST_P(LearnHalves, ABiasInFloat32TakesUpTheMean) {
  const Tensor w = random_tensor({kInputs, kOutputs}, 1), b = random_tensor({kOutputs}, 2);
  const auto x = rows(400);
  const auto learned = learn_halves(gemm(w, b), GetParam(), moments_of(x), true);
  const LearnedWeights& y = learned.at("y");
  for (int64_t m = 0; m < kOutputs; ++m) {
    double mean = 0, size = 0;
    for (const auto& row : x) {
      mean += tensor::as_double(*y.bias, m) - tensor::as_double(b, m);
      for (int64_t k = 0; k < kInputs; ++k) {
        const double v = static_cast<double>(row[static_cast<size_t>(k)]);
        mean += v * (tensor::as_double(y.weight, k * kOutputs + m) -
                     tensor::as_double(w, k * kOutputs + m));
        size += std::fabs(v * tensor::as_double(w, k * kOutputs + m));
      }
    }
    EXPECT_LE(std::fabs(mean), 0x1p-22 * size);
  }
}

TEST_P(LearnHalves, TheSameWithAnyNumberOfThreads) {
  const ir::Model m = gemm(random_tensor({kInputs, kOutputs}, 1), random_tensor({kOutputs}, 2));
  const auto moments = moments_of(rows(50));
  const auto one = learn_halves(m, GetParam(), moments, false, 1);
  const auto three = learn_halves(m, GetParam(), moments, false, 3);
  EXPECT_TRUE(same(one.at("y").weight, three.at("y").weight));
  EXPECT_TRUE(same(*one.at("y").bias, *three.at("y").bias));
}

TEST_P(LearnHalves, WhatIsZeroStaysZero) {
  Tensor w = random_tensor({kInputs, kOutputs}, 1);
  for (int64_t i = 0; i < w.count(); i += 3) w.mutable_data<float>()[static_cast<size_t>(i)] = 0;
  const auto learned =
      learn_halves(gemm(w, random_tensor({kOutputs}, 2)), GetParam(), moments_of(rows(50)), false);
  for (int64_t i = 0; i < w.count(); i += 3)
    EXPECT_EQ(tensor::as_double(learned.at("y").weight, i), 0);
}

TEST(LearnHalvesPoints, AreWeightsThatFitAndNobodyElseReads) {
  Builder b;
  const ValueId x = b.input("x", {8, 8});
  const ValueId shared = b.constant("shared", random_tensor({8, 8}, 1));
  Tensor large = random_tensor({8, 8}, 2);
  large.mutable_data<float>()[3] = 1e6F;
  const ValueId a = b.op("MatMul", {x, shared}, "a");
  const ValueId c = b.op("MatMul", {a, shared}, "c");
  const ValueId d = b.op("MatMul", {c, b.constant("large", large)}, "d");
  const ValueId e = b.op("MatMul", {d, b.constant("own", random_tensor({8, 8}, 3))}, "e");
  const ir::Model m = b.finish({b.op("MatMul", {x, e}, "f")});
  EXPECT_EQ(half_rounding_points(m, DType::kFloat16), (std::set<std::string>{"e"}));
  EXPECT_EQ(half_rounding_points(m, DType::kBfloat16), (std::set<std::string>{"d", "e"}));
}

TEST(Costly, TakesWhatBringsMostForLittle) {
  const std::vector<HalfCost> costs{{"first", 1e-4, 10, 10},
                                    {"large", 1e-4, 100000, 10},
                                    {"slow", 1e-4, 10, 100000},
                                    {"harmless", 1e-12, 10, 10},
                                    {"last", 1e-5, 10, 10}};
  const Costly found = costly(costs, DType::kFloat16, 0.1);
  ASSERT_EQ(found.nodes.size(), 3U);
  for (const char* name : {"first", "large", "last"}) EXPECT_TRUE(found.nodes.contains(name));
  EXPECT_EQ(found.stored, (std::set<std::string>{"large"}));
  EXPECT_NE(found.nodes.at("first").find("0.01 of its size"), std::string::npos)
      << found.nodes.at("first");
  EXPECT_EQ(costly(costs, DType::kFloat16, 0.7).nodes.size(), 1U);
  EXPECT_TRUE(costly(costs, DType::kFloat16, 1).nodes.empty());
}

}  // namespace
}  // namespace tersor::quant
