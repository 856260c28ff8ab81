#include "eval/classes.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tersor::eval {
namespace {

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

TEST(Judge, KnowsTheProbabilityOfAnyLabel) {
  const std::vector<float> logits{1, 3, 2}, p{0.25F, 0.25F, 0.5F};
  EXPECT_TRUE(are_probabilities(p));
  EXPECT_FALSE(are_probabilities(logits));
  EXPECT_DOUBLE_EQ(probability_of(p, 0, true), 0.25);
  EXPECT_NEAR(probability_of(logits, 0, false) + probability_of(logits, 1, false) +
                  probability_of(logits, 2, false),
              1, 1e-12);
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

}  // namespace
}  // namespace tersor::eval
