#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "stats/calibrator.h"
#include "stats/difference.h"
#include "stats/statistics.h"
#include "tersor/error.h"

namespace tersor::stats {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kHuge = std::numeric_limits<float>::max();

// Heavy tails, both signs, a wall of zeros, denormals and a few extremes.
std::vector<float> sample_values(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(n);
  for (size_t i = 0; i < n; ++i)
    v[i] = i % 3 == 0 ? 0.0f : std::exp(3 * normal(rng)) * (i % 2 ? -1.0f : 1.0f);
  if (n > 100) {
    v[n - 1] = kHuge;
    v[n - 2] = -1e-42f;
    v[n / 2] = -0.0f;
    v[n / 3] = 4096.0f;
  }
  return v;
}

TEST(MinMax, CountsWhatIsNotFinite) {
  std::vector<float> v(3000, 1.0f);
  v[5] = kNan;
  v[2999] = -kInf;
  v[1500] = -2.0f;
  v[17] = 7.0f;
  MinMax m;
  m.add(v);
  EXPECT_EQ(m.min, -2.0f);
  EXPECT_EQ(m.max, 7.0f);
  EXPECT_EQ(m.count, 3000u);
  EXPECT_EQ(m.nan, 1u);
  EXPECT_EQ(m.inf, 1u);
  EXPECT_EQ(first_non_finite(v), 5u);
  v[5] = 0;
  EXPECT_EQ(first_non_finite(v), 2999u);
  v[2999] = kHuge;
  EXPECT_EQ(first_non_finite(v), std::nullopt);
  MinMax none;
  none.add(std::vector<float>{kNan, kInf});
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.finite(), 0u);
}

TEST(MinMax, MinusZeroIsZero) {
  MinMax a, b;
  a.add(std::vector<float>{-0.0f, 0.0f});
  b.add(std::vector<float>{0.0f, -0.0f});
  EXPECT_FALSE(std::signbit(a.min) || std::signbit(a.max) || std::signbit(b.min));
}

TEST(Histogram, BinsAreExactAtTheirEdges) {
  Histogram h;
  h.add(std::vector<float>{1.0f});  // 2^1 > 1: width 2^-10
  EXPECT_EQ(h.exponent(), 1);
  EXPECT_EQ(h.positive()[1024], 1u);
  h.add(std::vector<float>{std::nextafter(1.0f, 0.0f), -1.0f, 0.0f, -0.0f});
  EXPECT_EQ(h.positive()[1023], 1u);
  EXPECT_EQ(h.negative()[1024], 1u);
  EXPECT_EQ(h.positive()[0], 2u);
  h.add(std::vector<float>{2.0f});
  EXPECT_EQ(h.exponent(), 2);
  EXPECT_EQ(h.positive()[512], 1u);
  EXPECT_EQ(h.positive()[511], 1u);
  EXPECT_EQ(h.positive()[1024], 1u);
  EXPECT_EQ(h.total(), 6u);
}

TEST(Histogram, ExtremesStayInside) {
  Histogram h;
  h.add(std::vector<float>{kHuge, -kHuge, 1e-45f, -1e-45f, kNan, kInf, -kInf});
  EXPECT_EQ(h.total(), 4u);
  EXPECT_EQ(h.exponent(), Histogram::kMaxExponent);
  EXPECT_EQ(h.positive()[2047], 1u);
  EXPECT_EQ(h.negative()[2047], 1u);
  Histogram tiny;
  tiny.add(std::vector<float>{1e-45f, -1e-45f});
  EXPECT_EQ(tiny.exponent(), Histogram::kMinExponent);
  tiny.add(std::vector<float>{kHuge, -kHuge});
  EXPECT_EQ(tiny, h);
}

TEST(Histogram, DependsOnTheValuesOnly) {
  for (size_t n : {0, 1, 2, 3, 5, 1000, 4095, 4096, 4099, 20000}) {
    std::vector<float> v = sample_values(n, 7);
    Histogram whole;
    whole.add(v);
    for (size_t chunk : {1, 3, 777, 5000}) {
      Histogram parts, even, odd;
      for (size_t i = 0, turn = 0; i < n; i += chunk, ++turn) {
        const std::span<const float> piece(v.data() + i, std::min(chunk, n - i));
        parts.add(piece);
        (turn % 2 ? odd : even).add(piece);
      }
      EXPECT_EQ(parts, whole) << n << " in chunks of " << chunk;
      Histogram other = odd;
      other.merge(even);
      even.merge(odd);
      EXPECT_EQ(even, whole);
      EXPECT_EQ(other, whole);
    }
    std::shuffle(v.begin(), v.end(), std::mt19937(3));
    Histogram shuffled;
    shuffled.add(v);
    EXPECT_EQ(shuffled, whole) << n;
  }
}

TEST(Histogram, MemoryDoesNotGrow) {
  Histogram h;
  const std::vector<float> v = sample_values(10000, 1);
  h.add(v);
  const size_t before = h.memory_bytes();
  for (uint32_t i = 0; i < 200; ++i) h.add(sample_values(10000, i));
  EXPECT_EQ(h.memory_bytes(), before);
  EXPECT_LE(before, 2 * Histogram::kBins * sizeof(uint64_t) + 256);
  Histogram positive;
  positive.add(std::vector<float>{0, 1, 2});
  EXPECT_TRUE(positive.negative().empty());
}

TEST(Histogram, QuantilesAreWithinABin) {
  std::mt19937 rng(5);
  std::normal_distribution<float> normal(0.5f, 2);
  std::vector<float> v(50000);
  for (float& x : v) x = normal(rng);
  Histogram h;
  h.add(v);
  std::ranges::sort(v);
  for (double q : {0.001, 0.01, 0.3, 0.5, 0.9, 0.999}) {
    const float exact = v[static_cast<size_t>(q * static_cast<double>(v.size()))];
    EXPECT_NEAR(h.quantile(q), exact, h.width() + 0.02) << q;
  }
  EXPECT_NEAR(h.quantile(0), v.front(), h.width());
  EXPECT_NEAR(h.quantile(1), v.back(), h.width());
  EXPECT_NEAR(h.share_outside(h.quantile(0.01), h.quantile(0.95)), 0.06, 1e-9);
  const auto dense = h.dense();
  uint64_t sum = 0;
  for (uint64_t n : dense.counts) sum += n;
  EXPECT_EQ(sum, v.size());
  EXPECT_LE(dense.lo, v.front());
  EXPECT_GT(dense.lo + dense.width, v.front());
}

TEST(Calibrator, ReadsItsNames) {
  EXPECT_EQ(to_string(parse_calibrator("minmax")), "minmax");
  EXPECT_EQ(to_string(parse_calibrator("percentile")), "percentile:99.99");
  EXPECT_EQ(to_string(parse_calibrator("percentile:99.9")), "percentile:99.9");
  for (const char* bad : {"", "minmaxx", "percentile:", "percentile:50", "percentile:100.1",
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

TEST(Statistics, JsonGivesThemBack) {
  Statistics s;
  s.samples = 3;
  s.model = "abc";
  s.tensors["x \"quoted\"\n"].add(sample_values(5000, 2));
  s.tensors["empty"];
  s.tensors["bad"].add(std::vector<float>{kNan, kInf});
  s.tensors["zero"].add(std::vector<float>{0, 0});
  const std::string text = to_json_text(s);
  EXPECT_EQ(parse_statistics(text), s);
  EXPECT_EQ(to_json_text(parse_statistics(text)), text);
}

TEST(Statistics, MergeIsOneRun) {
  const std::vector<float> a = sample_values(3000, 1), b = sample_values(500, 2);
  Statistics one, two, both;
  one.tensors["x"].add(a);
  one.samples = 1;
  two.tensors["x"].add(b);
  two.tensors["y"].add(b);
  two.samples = 2;
  both.tensors["x"].add(b);
  both.tensors["x"].add(a);
  both.tensors["y"].add(b);
  both.samples = 3;
  one.merge(two);
  EXPECT_EQ(one, both);
  one.model = "m";
  two.model = "n";
  EXPECT_THROW(one.merge(two), Error);
}

TEST(Statistics, RefusesForeignText) {
  Statistics s;
  s.tensors["x"].add(std::vector<float>{1, 2, -3});
  const std::string good = to_json_text(s);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const std::string cases[] = {"",
                               "[]",
                               "{}",
                               good.substr(0, good.size() / 2),
                               changed("\"count\":3", "\"count\":4"),
                               changed("\"count\":3", "\"count\":-3"),
                               changed("\"nan\":0", "\"nan\":18446744073709551615"),
                               changed("\"max\":2.0", "\"max\":1e300"),
                               changed("\"max\":2.0", "\"max\":null"),
                               changed("\"max\":2.0", "\"max\":20.0"),
                               changed("\"exponent\":2", "\"exponent\":2000"),
                               changed("\"exponent\":2", "\"exponent\":1.5"),
                               changed("\"positive\":[", "\"positive\":[18446744073709551615,"),
                               changed("\"schema\":\"tersor", "\"schema\":\"other")};
  for (const std::string& text : cases) {
    try {
      parse_statistics(text, "s.json");
      ADD_FAILURE() << text.substr(0, 100);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), "E25");
      EXPECT_NE(e.sentence().find("'s.json'"), std::string::npos);
    }
  }
}

TEST(Difference, Measures) {
  const std::vector<float> r{1, -2, 3}, o{1, -2, 3.5f};
  EXPECT_NEAR(sqnr_db(r, o), 10 * std::log10(14 / 0.25), 1e-12);
  EXPECT_NEAR(cosine(r, o), 15.5 / std::sqrt(14 * 17.25), 1e-12);
  EXPECT_EQ(max_abs(r, o), 0.5);
  EXPECT_EQ(sqnr_db(r, r), std::numeric_limits<double>::infinity());
  const std::vector<float> zero(3);
  EXPECT_EQ(sqnr_db(zero, r), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(cosine(zero, zero), 1);
  EXPECT_EQ(cosine(zero, r), 0);
  Difference d;
  d.add(std::vector<float>{1, kNan, kInf, 1, 2}, std::vector<float>{1, kNan, kInf, kInf, 3});
  d.add(std::vector<float>{kNan}, std::vector<float>{0});
  EXPECT_EQ(d.count(), 6u);
  EXPECT_EQ(d.other_non_finite(), 1u);
  EXPECT_EQ(d.reference_non_finite(), 1u);
  EXPECT_EQ(d.mse(), 0.5);
  EXPECT_EQ(d.max_reference(), 2);
  Difference a, b;
  a.add(r, o);
  b.add(o, r);
  Difference ab = a;
  ab.merge(b);
  EXPECT_NEAR(ab.mse(), 0.5 / 6, 1e-12);
}

}  // namespace
}  // namespace tersor::stats
