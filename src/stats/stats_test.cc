#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

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
  h.add(std::vector<float>{1.0f});  // 2^1 > 1
  EXPECT_EQ(h.exponent(), 1);
  const int top = Histogram::kBins - Histogram::kSteps;  // the first bin of the highest octave
  EXPECT_EQ(h.edge(top), 1);
  EXPECT_EQ(h.edge(top + 1), 1 + 1.0 / Histogram::kSteps);
  EXPECT_EQ(h.edge(Histogram::kBins), 2);
  EXPECT_EQ(h.edge(1), std::ldexp(1.0, 1 - Histogram::kOctaves));
  EXPECT_EQ(h.edge(0), 0);
  const auto at = [&](int k) { return h.positive()[static_cast<size_t>(k)]; };
  EXPECT_EQ(at(top), 1u);
  h.add(std::vector<float>{std::nextafter(1.0f, 0.0f), -1.0f, 0.0f, -0.0f});
  EXPECT_EQ(at(top - 1), 1u);
  EXPECT_EQ(h.negative()[static_cast<size_t>(top)], 1u);
  EXPECT_EQ(at(0), 2u);
  h.add(std::vector<float>{2.0f});
  EXPECT_EQ(h.exponent(), 2);
  EXPECT_EQ(at(top - Histogram::kSteps), 1u);
  EXPECT_EQ(at(top - Histogram::kSteps - 1), 1u);
  EXPECT_EQ(at(top), 1u);
  EXPECT_EQ(h.total(), 6u);
  for (int k = 0; k < Histogram::kBins; ++k) {
    EXPECT_EQ(h.bin_of(static_cast<float>(h.edge(k))), k);
    EXPECT_EQ(h.bin_of(std::nextafter(static_cast<float>(h.edge(k + 1)), 0.0f)), k);
  }
}

TEST(Histogram, ExtremesStayInside) {
  Histogram h;
  h.add(std::vector<float>{kHuge, -kHuge, 1e-45f, -1e-45f, kNan, kInf, -kInf});
  EXPECT_EQ(h.total(), 4u);
  EXPECT_EQ(h.exponent(), Histogram::kMaxExponent);
  EXPECT_EQ(h.positive().back(), 1u);
  EXPECT_EQ(h.negative().back(), 1u);
  Histogram tiny;
  tiny.add(std::vector<float>{1e-45f, -1e-45f});
  EXPECT_EQ(tiny.exponent(), Histogram::kMinExponent);
  tiny.add(std::vector<float>{kHuge, -kHuge});
  EXPECT_EQ(tiny, h);
}

TEST(Histogram, DependsOnTheValuesOnly) {
  for (size_t n : {0, 1, 2, 3, 5, 1000, 16383, 16384, 16389, 40000}) {
    std::vector<float> v = sample_values(n, 7);
    Histogram whole;
    whole.add(v);
    for (size_t chunk : {1, 3, 777, 17000}) {
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
    EXPECT_NEAR(h.quantile(q), exact, std::fabs(exact) / Histogram::kSteps + 0.02) << q;
  }
  EXPECT_NEAR(h.quantile(0), v.front(), -v.front() / Histogram::kSteps);
  EXPECT_NEAR(h.quantile(1), v.back(), v.back() / Histogram::kSteps);
  EXPECT_NEAR(h.share_outside(h.quantile(0.01), h.quantile(0.95)), 0.06, 1e-9);
  const auto dense = h.dense();
  const auto sum = [](const std::vector<uint64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  };
  EXPECT_EQ(sum(dense.counts), v.size());
  EXPECT_LE(dense.edges.front(), v.front());
  EXPECT_GT(dense.edges[1], v.front());
  EXPECT_GE(dense.edges.back(), v.back());
  EXPECT_TRUE(std::ranges::is_sorted(dense.edges));
  for (size_t bins : {1, 7, 64}) {
    const auto even = h.even(bins);
    EXPECT_EQ(even.counts.size(), bins);
    EXPECT_EQ(sum(even.counts), v.size());
    EXPECT_EQ(even.lo, dense.edges.front());
    const double middle = (even.lo + even.hi) / 2;
    const double below = static_cast<double>(std::ranges::lower_bound(v, middle) - v.begin());
    if (bins == 64) {
      EXPECT_NEAR(static_cast<double>(sum({even.counts.begin(), even.counts.begin() + 32})), below,
                  200);
    }
  }
}

TEST(Histogram, ReportsBinsOfOneSideOnly) {
  for (float sign : {1.0f, -1.0f}) {
    Histogram h;
    h.add(std::vector<float>{sign * 3.0f, sign * 3.5f});
    const auto dense = h.dense();
    ASSERT_EQ(dense.edges.size(), dense.counts.size() + 1);
    EXPECT_NEAR(dense.edges.front(), sign > 0 ? 3 : -3.5, 0.02);
    EXPECT_NEAR(dense.edges.back(), sign > 0 ? 3.5 : -3, 0.02);
    const std::vector<uint64_t> counts = h.even(4).counts;
    EXPECT_EQ(counts, (std::vector<uint64_t>{1, 0, 0, 1}));
  }
  EXPECT_TRUE(Histogram().dense().counts.empty());
  EXPECT_TRUE(Histogram().even(4).counts.empty());
}

TEST(ExactSum, DependsOnWhatWasAddedOnly) {
  std::mt19937 rng(9);
  std::normal_distribution<double> normal;
  std::vector<double> v(2000);
  for (double& x : v) x = std::exp(8 * normal(rng)) * normal(rng);
  const auto sum = [](const std::vector<double>& numbers, size_t parts) {
    std::vector<ExactSum> sums(parts);
    for (size_t i = 0; i < numbers.size(); ++i) sums[i % parts].add(numbers[i]);
    ExactSum all;
    for (const ExactSum& s : sums) all.merge(s);
    return all;
  };
  const ExactSum once = sum(v, 1);
  EXPECT_EQ(sum(v, 7), once);
  std::ranges::shuffle(v, rng);
  EXPECT_EQ(sum(v, 3), once);
  EXPECT_NEAR(once.value(), std::accumulate(v.begin(), v.end(), 0.0), 1e-4);
  EXPECT_EQ(ExactSum(once.value(), once.rest()), once);
  for (double bad : {HUGE_VAL, std::nan(""), 1e300}) {
    ExactSum lost = once;
    lost.add(bad);
    EXPECT_TRUE(std::isnan(lost.value()));
    lost.add(1);
    EXPECT_TRUE(std::isnan(lost.value()));
  }
}

TEST(ExactSum, RoundsToItsUnitHalfToEven) {
  constexpr double kUnit = 0x1p-64;
  const std::pair<double, double> cases[] = {{0.5, 0},
                                             {0x1.0000000000001p-1, 1},
                                             {0.75, 1},
                                             {1.5, 2},
                                             {2.5, 2},
                                             {0x1p-20, 0},
                                             {0x1.8p52, 0x1.8p52},
                                             {0x1p51 + 0.5, 0x1p51},
                                             {0x1p100, 0x1p100},
                                             {3, 3}};
  for (const auto& [given, kept] : cases)
    for (double sign : {1.0, -1.0}) {
      ExactSum sum;
      sum.add(sign * given * kUnit);
      EXPECT_EQ(sum.value(), sign * kept * kUnit) << given;
    }
  ExactSum least;
  least.add(5e-324);
  EXPECT_EQ(least, ExactSum());
}

TEST(ChannelMeans, AddUpExactlyOverSamples) {
  constexpr int64_t kChannels = 5, kInner = 300;
  std::vector<std::vector<float>> samples;
  for (uint32_t i = 0; i < 6; ++i) samples.push_back(sample_values(kChannels * kInner, i + 1));
  for (auto& s : samples)
    for (float& v : s) v = std::clamp(v, -1e6f, 1e6f);
  ChannelMeans rows, parts, half;
  for (size_t i = 0; i < samples.size(); ++i) {
    rows.add(samples[i], 1, kChannels, kInner);
    (i % 2 ? parts : half).add(samples[i], 1, kChannels, kInner);
  }
  half.merge(parts);
  EXPECT_EQ(half, rows);
  const std::vector<double> means = rows.means();
  for (size_t c = 0; c < kChannels; ++c) {
    double sum = 0;
    for (const auto& s : samples)
      for (size_t i = 0; i < kInner; ++i) sum += static_cast<double>(s[c * kInner + i]);
    EXPECT_NEAR(means[c], sum / (6 * kInner), 1e-5 * 1e6);
  }
  // The same with channels last.
  ChannelMeans last;
  for (const auto& s : samples) {
    std::vector<float> t(s.size());
    for (size_t c = 0; c < kChannels; ++c)
      for (size_t i = 0; i < kInner; ++i) t[i * kChannels + c] = s[c * kInner + i];
    last.add(t, kInner, kChannels, 1);
  }
  for (size_t c = 0; c < kChannels; ++c) EXPECT_NEAR(last.means()[c], means[c], 1);
  EXPECT_EQ(last.count, rows.count);
  last.add(samples[0], 1, kChannels * kInner, 1);
  EXPECT_TRUE(last.means().empty());
  last.add(samples[0], 1, kChannels, kInner);
  rows.merge(last);
  EXPECT_TRUE(last.means().empty() && rows.means().empty());
}

TEST(Statistics, JsonGivesThemBack) {
  Statistics s;
  s.samples = 3;
  s.model = "abc";
  s.settings = "equalize=auto";
  s.data = "resize 256";
  s.version = "0.1.0";
  s.tensors["x \"quoted\"\n"].add(sample_values(5000, 2));
  s.tensors["empty"];
  s.tensors["bad"].add(std::vector<float>{kNan, kInf});
  s.tensors["zero"].add(std::vector<float>{0, 0});
  s.tensors["means"].add(std::vector<float>{1, 2, 3, 4});
  s.tensors["means"].channels.add(std::vector<float>{1, 2, 3, 1e-7f}, 2, 2, 1);
  s.tensors["lost"].add(std::vector<float>{kInf, 1});
  s.tensors["lost"].channels.add(std::vector<float>{kInf, 1}, 1, 2, 1);
  s.tensors["lost"].channels.lose();
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
  for (std::string Statistics::*field :
       {&Statistics::model, &Statistics::settings, &Statistics::data}) {
    Statistics a = one, b = two;
    a.*field = "m";
    b.*field = "n";
    EXPECT_THROW(a.merge(b), Error);
    b.*field = "m";
    a.merge(b);
    EXPECT_EQ(a.*field, "m");
  }
  two.samples = UINT64_MAX;
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
  const std::string cases[] = {
      "",
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
      changed("\"exponent\":2", "\"exponent\":18446744073709551615"),
      changed("\"rests\":[0.0,", "\"rests\":["),
      changed("\"rests\":[0.0,", "\"rests\":[1e999,"),
      changed("\"samples\":1,", "\"samples\":4,"),
      changed("\"samples\":1,", "\"samples\":0,"),
      changed("\"model\": \"\"", "\"model\": 3"),
      changed("\"tensors\": {", "\"tensors\": 3, \"x\": {"),
      "{" + std::string(100000, '[') + std::string(100000, ']') + "}",
      "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}",
      changed("\"positive\":[", "\"positive\":[18446744073709551615,"),
      changed("\"schema\": \"tersor", "\"schema\": \"other")};
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
