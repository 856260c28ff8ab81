#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "stats/calibrators/density.h"
#include "tersor/error.h"

namespace tersor::stats {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kHuge = std::numeric_limits<float>::max();

TEST(Calibrator, ReadsItsNames) {
  for (const CalibrationMethod* m : calibration_methods()) {
    EXPECT_EQ(parse_calibrator(m->name).method, m);
    EXPECT_EQ(parse_calibrator(to_string(parse_calibrator(m->name))), parse_calibrator(m->name));
  }
  EXPECT_EQ(to_string(parse_calibrator("percentile")), "percentile:99.99");
  EXPECT_EQ(to_string(parse_calibrator("percentile:99.9")), "percentile:99.9");
  for (const char* bad :
       {"", "minmaxx", "mse:1", "entropy:", ":", "percentile:", "percentile:50", "percentile:100.1",
        "percentile:nan", "percentile:99x", "percentile:1e999"}) {
    try {
      parse_calibrator(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), "E50");
    }
  }
}

TEST(Calibrator, RangesHoldZero) {
  const auto range = [](std::vector<float> v, const char* calibrator) {
    TensorStats t;
    t.add(v);
    return choose_range(t, parse_calibrator(calibrator));
  };
  EXPECT_EQ(range({1, 2, 3}, "minmax"), (Range{0, 3}));
  EXPECT_EQ(range({-3, -2}, "minmax"), (Range{-3, 0}));
  EXPECT_EQ(range({}, "minmax"), (Range{0, 0}));
  EXPECT_EQ(range({kNan}, "percentile"), (Range{0, 0}));
  EXPECT_EQ(range({0, 0}, "percentile"), (Range{0, 0}));
  EXPECT_EQ(range({-3, -2}, "percentile:100"), (Range{-3, 0}));
  EXPECT_EQ(range({kHuge, -kHuge}, "percentile:100"), (Range{-kHuge, kHuge}));

  std::vector<float> v(100000);
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i % 1000) / 1000;
  v[3] = 50;  // one outlier in 100,000
  EXPECT_EQ(range(v, "minmax").hi, 50);
  const Range cut = range(v, "percentile:99.99");
  EXPECT_NEAR(cut.hi, 1.0, 0.05);
  EXPECT_EQ(cut.lo, 0);
}

std::vector<float> normal_values(size_t n, float outlier, bool positive) {
  std::mt19937 rng(7);
  std::normal_distribution<float> number;
  std::vector<float> v(n);
  for (float& e : v) e = positive ? std::max(number(rng), 0.0F) : number(rng);
  if (outlier != 0) v[0] = outlier;
  return v;
}
TensorStats seen(const std::vector<float>& v) {
  TensorStats t;
  t.add(v);
  return t;
}

// By the definitions, value by value.
double squared_error(const std::vector<float>& v, Range r, Levels levels) {
  const Ladder ladder(double{r.lo}, double{r.hi}, levels);
  double error = 0;
  for (float x : v) {
    const double k = std::clamp(std::nearbyint(double{x} / ladder.scale) + ladder.zero, 0.0, 255.0);
    error += std::pow(double{x} - (k - ladder.zero) * ladder.scale, 2);
  }
  return error;
}

TEST(Mse, IsTheLeastErrorOfTheRoundedValues) {
  for (Levels levels : {Levels::kAsymmetric, Levels::kSymmetric})
    for (bool positive : {false, true})
      for (float outlier : {0.0F, 12.0F, 100.0F}) {
        const std::vector<float> v = normal_values(20000, outlier, positive);
        const Range chosen = choose_range(seen(v), {}, levels);
        const double error = squared_error(v, chosen, levels);
        double least = HUGE_VAL;
        for (double up = 1; up > 0.02; up *= 0.98)
          for (double down = 1; down > (positive || levels == Levels::kSymmetric ? 0.99 : 0.3);
               down *= 0.96) {
            const Range all = choose_range(seen(v), {&kMinMax}, levels);
            const auto lo =
                static_cast<float>(double{all.lo} * (levels == Levels::kSymmetric ? up : down));
            least = std::min(
                least, squared_error(v, {lo, static_cast<float>(double{all.hi} * up)}, levels));
          }
        EXPECT_LE(error, 1.03 * least) << positive << " " << outlier;
      }
}

TEST(Mse, CutsOutliersOnlyWherePaying) {
  const TensorStats s = seen(normal_values(100000, 100, false));
  const Range mse = choose_range(s, {}, Levels::kSymmetric);
  EXPECT_EQ(mse.lo, -mse.hi);
  EXPECT_LT(mse.hi, 80);
  EXPECT_EQ(choose_range(s, {&kMinMax}, Levels::kSymmetric).hi, 100);
  EXPECT_EQ(choose_range({}, {}, Levels::kSymmetric).hi, 0);
}

TEST(Entropy, CutsOutliersAndKeepsTheRest) {
  for (Levels levels : {Levels::kAsymmetric, Levels::kSymmetric})
    for (bool positive : {false, true}) {
      const Range plain =
          choose_range(seen(normal_values(100000, 0, positive)), {&kEntropy}, levels);
      // Between what rounds well and what was seen: 3 to 5 standard deviations.
      EXPECT_GT(plain.hi, 3);
      EXPECT_LT(plain.hi, 5);
      for (float outlier : {50.0F, 1000.0F, 4000.0F}) {
        const Range cut =
            choose_range(seen(normal_values(100000, outlier, positive)), {&kEntropy}, levels);
        EXPECT_GT(cut.hi, 3) << outlier;
        EXPECT_LT(cut.hi, outlier / 4) << outlier;
      }
    }
  // A uniform distribution has nothing to cut.
  std::vector<float> v(100000);
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i % 1000) / 1000;
  EXPECT_GT(choose_range(seen(v), {&kEntropy}).hi, 0.97F);
}

TEST(Entropy, HasManyCandidates) {
  // Ends that differ by little give ranges that differ: not one of a few steps.
  std::vector<float> ends;
  for (float tail : {4.0F, 6.0F, 8.0F, 10.0F, 14.0F, 20.0F}) {
    std::vector<float> v = normal_values(50000, 0, true);
    for (size_t i = 0; i < v.size(); i += 20) v[i] *= tail;
    ends.push_back(choose_range(seen(v), {&kEntropy}).hi);
  }
  EXPECT_TRUE(std::ranges::is_sorted(ends));
  std::ranges::sort(ends);
  EXPECT_EQ(std::ranges::unique(ends).size(), 0U);
}

TEST(MovingAverage, IsTheMeanOfTheExtremes) {
  TensorStats s;
  s.add(std::vector<float>{-1, 3});
  s.add(std::vector<float>{-2, 5});
  s.add(std::vector<float>{-3, 100});
  EXPECT_EQ(choose_range(s, {&kMovingAverage}), (Range{-2, 36}));
  EXPECT_EQ(choose_range(s, {&kMovingAverage}, Levels::kSymmetric), (Range{-36, 36}));
  s.add(std::vector<float>{kHuge});
  EXPECT_EQ(choose_range(s, {&kMovingAverage}).hi, kHuge);  // has no mean
}

TEST(Calibrators, TakeAnything) {
  const std::vector<std::vector<float>> cases{
      {},
      {0},
      {0, 0, 0},
      {5},
      {-5},
      {1e-45F, -1e-45F},
      {kHuge},
      {-kHuge},
      {kHuge, -kHuge},
      {kHuge, 1e-30F},
      {1, 1, 1, 1},
      {-1, 0, 1},
      {0, kNan},
      {1e-38F, 1},
      {-3, -3, -2.999F},
  };
  for (const CalibrationMethod* m : calibration_methods())
    for (Levels levels : {Levels::kAsymmetric, Levels::kSymmetric})
      for (const auto& v : cases) {
        const TensorStats s = seen(v);
        const Range r = choose_range(s, {m, m->parameter ? m->parameter->standard : 0}, levels);
        EXPECT_TRUE(std::isfinite(r.lo) && std::isfinite(r.hi)) << m->name;
        EXPECT_TRUE(r.lo <= 0 && r.hi >= 0) << m->name;
        if (v.size() == 1 && v[0] > 0) {
          EXPECT_GT(r.hi, v[0] / 2) << m->name;
        }
      }
}

}  // namespace
}  // namespace tersor::stats
