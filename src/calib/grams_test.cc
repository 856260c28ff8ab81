#include "calib/grams.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ops/patches.h"
#include "ops/testing_graph.h"

namespace tersor::calib {
namespace {

using ops::testing::Builder;
using ops::testing::random_tensor;

constexpr float kScale = 0.05F;
constexpr uint8_t kZero = 100;

// x -> Quantize -> Dequantize -> Conv -> y, two groups, weights of `type`.
ir::Model quantized_conv(const Dims& weight, DType type) {
  Builder b(21);
  const ir::ValueId x = b.input("x", {ir::Dim("n"), ir::Dim(4), ir::Dim(5), ir::Dim(6)});
  const ir::ValueId scale = b.constant("scale", Tensor::scalar(kScale));
  const ir::ValueId zero = b.constant("zero", Tensor::scalar(kZero));
  const ir::ValueId q = b.op("QuantizeLinear", {x, scale, zero}, "q");
  const ir::ValueId dq = b.op("DequantizeLinear", {q, scale, zero}, "dq");
  const ir::ValueId codes = b.constant("codes", tensor::cast(random_tensor(weight, 3), type));
  const ir::ValueId w = b.op("DequantizeLinear", {codes, scale}, "w");
  const ir::ValueId y = b.op("Conv", {dq, w}, "y");
  b.last().set("group", int64_t{2});
  b.last().set("pads", std::vector<int64_t>{1, 1, 1, 1});
  return b.finish({y});
}

std::map<std::string, LayerGrams> collected(const ir::Model& m, int samples,
                                            const GramOptions& options = {}) {
  DatasetSpec spec;
  for (int i = 0; i < samples; ++i)
    spec.memory.push_back({{"x", random_tensor({1, 4, 5, 6}, static_cast<unsigned>(i))}});
  const auto data = open_dataset(spec, input_specs(m.graph));
  return collect_grams(m, {"y", "nobody"}, *data, options);
}

TEST(Grams, AreSumsOverThePatchesOfTheCodes) {
  constexpr int kSamples = 3;
  const Dims weight{6, 2, 3, 3};
  const ir::Model m = quantized_conv(weight, DType::kInt4);
  const auto grams = collected(m, kSamples);
  ASSERT_EQ(grams.size(), 1U);
  const LayerGrams& layer = grams.at("y");
  ASSERT_EQ(layer.size(), 2U);
  constexpr size_t kLength = 18;
  std::vector<std::vector<double>> sums(2, std::vector<double>((kLength + 1) * (kLength + 1), 0));
  for (int i = 0; i < kSamples; ++i) {
    const Tensor x = random_tensor({1, 4, 5, 6}, static_cast<unsigned>(i));
    const ops::Patches patches(m.graph.nodes.back(), weight, x.dims());
    for (int64_t row = 0; row < patches.rows(); ++row) {
      std::vector<std::vector<double>> patch(2, std::vector<double>(kLength + 1, 0));
      for (auto& p : patch) p.back() = 1;
      patches.each(row, [&](int64_t group, int64_t k, int64_t element) {
        const float code = std::nearbyint(x.data<float>()[static_cast<size_t>(element)] / kScale);
        patch[static_cast<size_t>(group)][static_cast<size_t>(k)] =
            std::clamp(static_cast<double>(code), -double{kZero}, 255.0 - double{kZero});
      });
      for (size_t g = 0; g < 2; ++g)
        for (size_t a = 0; a <= kLength; ++a)
          for (size_t b = 0; b <= kLength; ++b)
            sums[g][a * (kLength + 1) + b] += patch[g][a] * patch[g][b];
    }
  }
  for (size_t g = 0; g < 2; ++g)
    for (size_t a = 0; a <= kLength; ++a)
      for (size_t b = 0; b <= kLength; ++b)
        ASSERT_EQ(
            static_cast<double>(layer[g].at(static_cast<int64_t>(a), static_cast<int64_t>(b))),
            sums[g][a * (kLength + 1) + b])
            << g << " " << a << " " << b;
}

TEST(Grams, TheSameForAnyNumberOfThreadsAndFewRowsOfManySamples) {
  const ir::Model m = quantized_conv({4, 2, 1, 1}, DType::kInt8);
  const auto alone = collected(m, 50, {.threads = 1, .rows = 64});
  const auto together = collected(m, 50, {.threads = 3, .rows = 64});
  EXPECT_EQ(alone, together);
  const int64_t rows = alone.at("y")[0].at(2, 2);
  EXPECT_EQ(rows, 50 * 32);
}

TEST(Moments, AreSumsOverThePatchesOfTheValues) {
  const Dims weight{6, 2, 3, 3};
  Builder b(17);
  const ir::ValueId x = b.input("x", {ir::Dim("n"), ir::Dim(4), ir::Dim(5), ir::Dim(6)});
  const ir::ValueId y = b.op("Conv", {x, b.weight("w", weight)}, "y");
  b.last().set("group", int64_t{2});
  b.last().set("pads", std::vector<int64_t>{1, 1, 1, 1});
  const ir::Model m = b.finish({y});
  const auto moments = [&](int threads) {
    DatasetSpec spec;
    spec.memory.push_back({{"x", random_tensor({1, 4, 5, 6}, 7)}});
    const auto data = open_dataset(spec, input_specs(m.graph));
    return collect_moments(m, {"y", "nobody"}, *data, {.threads = threads});
  };
  const auto alone = moments(1), together = moments(3);
  ASSERT_EQ(alone.size(), 1U);
  ASSERT_EQ(alone.at("y").size(), 2U);
  constexpr size_t kLength = 18;
  const Tensor values = random_tensor({1, 4, 5, 6}, 7);
  const ops::Patches patches(m.graph.nodes.back(), weight, values.dims());
  for (int64_t a = 0; a < static_cast<int64_t>(kLength); ++a) {
    double sum = 0, squares = 0;
    for (int64_t row = 0; row < patches.rows(); ++row)
      patches.each(row, [&](int64_t group, int64_t k, int64_t element) {
        if (group != 1 || k != a) return;
        const auto v = static_cast<double>(values.data<float>()[static_cast<size_t>(element)]);
        sum += v;
        squares += v * v;
      });
    const stats::Moments& of_group = alone.at("y")[1];
    EXPECT_NEAR(of_group.at(a, a), squares, 1e-6 * squares);
    EXPECT_NEAR(of_group.at(static_cast<int64_t>(kLength), a), sum, 1e-6 * squares);
    for (int64_t c = 0; c <= a; ++c) EXPECT_EQ(of_group.at(a, c), together.at("y")[1].at(a, c));
  }
}

}  // namespace
}  // namespace tersor::calib
