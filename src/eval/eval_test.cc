#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "eval/bench.h"
#include "eval/classes.h"
#include "eval/compare.h"
#include "eval/conditions.h"
#include "ops/testing_graph.h"
#include "tersor/error.h"

namespace tersor::eval {
namespace {

using ops::testing::random_tensor;
using ops::testing::residual_model;

std::unique_ptr<calib::Dataset> samples(const ir::Model& m, int count) {
  calib::DatasetSpec spec;
  for (int i = 0; i < count; ++i)
    spec.memory.push_back({{"x", random_tensor({1, 3, 8, 8}, static_cast<unsigned>(i))}});
  return calib::open_dataset(spec, calib::input_specs(m.graph));
}

ir::Model changed(ir::Model m, float factor) {
  for (ir::Value& v : m.graph.values) {
    if (v.name != "g_b") continue;
    Tensor t = Tensor::empty(DType::kFloat32, v.constant->dims());
    for (size_t i = 0; i < t.mutable_data<float>().size(); ++i)
      t.mutable_data<float>()[i] = v.constant->data<float>()[i] * factor;
    v.constant = t;
  }
  return m;
}

TEST(Judge, AppliesSoftmaxToScores) {
  const std::vector<float> scores{1, 3, 2};
  const Verdict v = judge(scores);
  const double total = std::exp(1) + std::exp(2) + std::exp(3);
  EXPECT_EQ(v.label, 1);
  EXPECT_NEAR(v.probability, std::exp(3) / total, 1e-12);
  EXPECT_NEAR(v.margin, (std::exp(3) - std::exp(2)) / total, 1e-12);
}

TEST(Judge, TakesProbabilitiesAsTheyAre) {
  const std::vector<float> p{0.25F, 0.25F, 0.5F};
  EXPECT_EQ(judge(p).label, 2);
  EXPECT_DOUBLE_EQ(judge(p).probability, 0.5);
  EXPECT_DOUBLE_EQ(judge(p).margin, 0.25);
}

TEST(Judge, TakesLargeAndNonFiniteScores) {
  const std::vector<float> large{3e38F, -3e38F};
  EXPECT_DOUBLE_EQ(judge(large).probability, 1);
  const std::vector<float> bad{1, NAN};
  EXPECT_FALSE(judge(bad).finite);
}

TEST(InTop, BreaksTiesByTheLowerLabel) {
  const std::vector<float> s{1, 1, 1, 0};
  EXPECT_TRUE(in_top(s, 1, 2));
  EXPECT_FALSE(in_top(s, 2, 2));
  EXPECT_FALSE(in_top(s, 7, 5));
}

TEST(Conditions, AreParsed) {
  const Condition c = parse_condition(" top1_drop > 0.5 % ");
  EXPECT_EQ(c.measure, "top1_drop");
  EXPECT_FALSE(c.below);
  EXPECT_DOUBLE_EQ(c.limit, 0.005);
  for (const char* bad : {"", "sqnr", "sqnr<", "sqnr<many", "beauty<1", "sqnr<1x"}) {
    try {
      parse_condition(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), "E50");
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    }
  }
}

TEST(Compare, FindsAModelEqualToItself) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 20);
  Options options;
  options.layers = true;
  const Comparison c = compare(m, m, *data, options);
  EXPECT_EQ(c.n, 20);
  EXPECT_TRUE(c.passed);
  EXPECT_TRUE(c.classifier);
  EXPECT_DOUBLE_EQ(c.top1_agree, 1);
  EXPECT_TRUE(std::isinf(c.outputs.at(0).sqnr_db));
}

TEST(Compare, CountsWhatChanged) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 30);
  Options options;
  options.fail_if = {"top1_agree<0.999", "sqnr<300"};
  const Comparison c = compare(m, changed(m, -3), *data, options);
  EXPECT_LT(c.top1_agree, 1);
  EXPECT_FALSE(c.passed);
  EXPECT_EQ(c.broken.size(), 2U);
  EXPECT_EQ(c.samples.size(), 20U);
  EXPECT_GT(c.max_probability_change, 0);
}

TEST(Compare, FailsWhereOnlyTheOtherIsNotFinite) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 3);
  const Comparison c = compare(m, changed(m, std::numeric_limits<float>::infinity()), *data, {});
  EXPECT_FALSE(c.passed);
  EXPECT_FALSE(c.outputs.at(0).finite);
}

TEST(Compare, RefusesModelsThatDoNotFit) {
  const ir::Model m = residual_model();
  ir::Model other = m;
  for (ir::Value& v : other.graph.values)
    if (v.name == "x") v.name = "z";
  const auto data = samples(m, 1);
  EXPECT_THROW(compare(m, other, *data, {}), Error);
}

TEST(Compare, StopsWhenAsked) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 40);
  Options options;
  options.advance = [](int64_t done, int64_t) { return done < 16; };
  try {
    compare(m, m, *data, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
  }
}

TEST(Evaluate, NeedsLabels) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 2);
  try {
    evaluate(m, *data, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), "E22");
  }
}

TEST(Bench, GivesARowForEachModelAndThreadCount) {
  const ir::Model m = residual_model();
  BenchOptions options;
  options.threads = {1, 2};
  options.batch = 2;
  options.seconds = 0.01;
  const std::vector<Timing> rows = bench({{"a", &m}, {"b", &m}}, options);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[1].model, "b");
  EXPECT_EQ(rows[2].threads, 2);
  for (const Timing& t : rows) EXPECT_GE(t.p90_ms, t.min_ms);
  EXPECT_FALSE(profile(m, options).empty());
}

}  // namespace
}  // namespace tersor::eval
