#include "quant/algorithms/equalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/infer.h"
#include "ops/testing_graph.h"
#include "quant/algorithms/seams.h"

namespace tersor::quant {
namespace {

using ops::testing::Builder;
using ops::testing::random_tensor;

// Multiplies channel c of the values between two convolutions by 2^exponent(c).
struct Unequal {
  static int exponent(int64_t c) { return static_cast<int>(c * 7 % 11) - 5; }
  static Tensor outputs(Tensor t, int sign = 1) {
    const int64_t inner = t.count() / t.dim(0);
    auto v = t.mutable_data<float>();
    for (size_t i = 0; i < v.size(); ++i)
      v[i] = std::ldexp(v[i], sign * exponent(static_cast<int64_t>(i) / inner));
    return t;
  }
  // [outputs, inputs, taps...]
  static Tensor inputs(Tensor t, int64_t spread = 1) {
    const int64_t taps = t.rank() > 2 ? t.count() / (t.dim(0) * t.dim(1)) : 1;
    auto v = t.mutable_data<float>();
    for (size_t i = 0; i < v.size(); ++i)
      v[i] = std::ldexp(v[i], -exponent(static_cast<int64_t>(i) / taps % t.dim(1) / spread));
    return t;
  }
};

constexpr int64_t kChannels = 8;

ir::ValueId first_conv(Builder& b, ir::ValueId x, int64_t in = 3, int64_t channels = kChannels) {
  return b.op("Conv",
              {x, b.constant("w1", Unequal::outputs(random_tensor({channels, in, 3, 3}, 1))),
               b.constant("b1", Unequal::outputs(random_tensor({channels}, 2)))},
              "c1");
}

using Between = ir::ValueId (*)(Builder&, ir::ValueId);

struct Case {
  const char* name;
  Between between;
};

ir::Model chain(Between between) {
  Builder b;
  const auto x = b.input("x", {2, 3, 9, 9});
  const auto a = between(b, first_conv(b, x));
  const Tensor w2 = Unequal::inputs(random_tensor({5, kChannels, 1, 1}, 3));
  return b.finish({b.op("Conv", {a, b.constant("w2", w2), b.weight("b2", {5})}, "c2")});
}

void expect_same_bits(const ir::Model& a, const ir::Model& b, const Dims& dims) {
  for (unsigned seed = 10; seed < 14; ++seed) {
    const std::vector<Tensor> in{random_tensor(dims, seed)};
    const auto ya = ops::interpret(a.graph, a, in), yb = ops::interpret(b.graph, b, in);
    const auto va = ya[0].data<float>(), vb = yb[0].data<float>();
    // Subnormal numbers may round elsewhere.
    EXPECT_TRUE(std::ranges::equal(va, vb, [](float p, float q) {
      return p == q || std::fabs(p - q) < std::numeric_limits<float>::min();
    }));
  }
}

const Tensor& weight_of(const ir::Model& m, const std::string& output) {
  for (const ir::Node& n : m.graph.nodes)
    if (m.graph.values[n.outputs[0]].name.starts_with(output))
      return *m.graph.constant(n.inputs[1]);
  throw std::runtime_error(output);
}

// Largest over smallest row of a weight.
double row_spread(const Tensor& w) {
  std::vector<float> rows(static_cast<size_t>(w.dim(0)), 0.0F);
  const auto v = w.data<float>();
  for (size_t i = 0; i < v.size(); ++i) {
    float& row = rows[i / (v.size() / rows.size())];
    row = std::max(row, std::fabs(v[i]));
  }
  const auto [lo, hi] = std::ranges::minmax(rows);
  return static_cast<double>(hi) / static_cast<double>(lo);
}

TEST(Equalize, KeepsTheBitsThroughHomogeneousOperators) {
  const Case cases[] = {
      {"nothing", [](Builder&, ir::ValueId v) { return v; }},
      {"Relu", [](Builder& b, ir::ValueId v) { return b.op("Relu", {v}, "a"); }},
      {"LeakyRelu", [](Builder& b, ir::ValueId v) { return b.op("LeakyRelu", {v}, "a"); }},
      {"PRelu",
       [](Builder& b, ir::ValueId v) {
         return b.op("PRelu", {v, b.weight("slope", {kChannels, 1, 1})}, "a");
       }},
      {"pooling",
       [](Builder& b, ir::ValueId v) {
         const auto pooled = b.op("MaxPool", {b.op("Relu", {v}, "a")}, "p");
         b.last().set("kernel_shape", std::vector<int64_t>{2, 2});
         return b.op("GlobalAveragePool", {pooled}, "g");
       }},
  };
  for (const Case& c : cases) {
    const ir::Model m = chain(c.between);
    ir::Model e = m;
    const auto done = equalize(e, Equalize::kAuto, true);
    ir::verify(e);
    ASSERT_EQ(done.size(), 1U) << c.name;
    EXPECT_EQ(done[0].first, "node_c1");
    EXPECT_EQ(done[0].second, "node_c2");
    EXPECT_EQ(done[0].channels, kChannels);
    EXPECT_GT(done[0].gain_db, 20) << c.name;
    EXPECT_LT(row_spread(weight_of(e, "c1")), 8) << c.name;
    EXPECT_GT(row_spread(weight_of(m, "c1")), 256) << c.name;
    expect_same_bits(m, e, {2, 3, 9, 9});
    ir::Model other = m;
    EXPECT_EQ(equalize(other, Equalize::kAuto, true, 3)[0].gain_db, done[0].gain_db);
    expect_same_bits(m, other, {2, 3, 9, 9});
    EXPECT_EQ(e.graph.find("c1"), ir::kNone);  // its numbers are others now
    EXPECT_NE(e.graph.find("c2"), ir::kNone);
  }
}

TEST(Equalize, LeavesEqualChannelsAlone) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto a = b.op("Relu", {b.conv(x, 3, 16, "c1")}, "a");
  const ir::Model m = b.finish({b.conv(a, 16, 4, "c2")});
  ir::Model e = m;
  EXPECT_EQ(equalizable(m), 1);
  EXPECT_TRUE(equalize(e, Equalize::kAuto, true).empty());
  EXPECT_TRUE(equalize(e, Equalize::kOff, true).empty());
  EXPECT_EQ(ir::dump(m.graph), ir::dump(e.graph));
}

TEST(Equalize, GoesThroughDepthwiseChains) {
  Builder b;
  const auto x = b.input("x", {1, 3, 9, 9});
  const auto a = b.op("Relu", {first_conv(b, x)}, "a");
  // The depthwise convolution keeps the units of its input, then adds a bias in them.
  const auto d = b.op("Conv",
                      {a, b.weight("wd", {kChannels, 1, 3, 3}),
                       b.constant("bd", Unequal::outputs(random_tensor({kChannels}, 5)))},
                      "d");
  b.last().set("group", kChannels);
  const auto r = b.op("Relu", {d}, "r");
  const Tensor w2 = Unequal::inputs(random_tensor({6, kChannels, 1, 1}, 6));
  const ir::Model m = b.finish({b.op("Conv", {r, b.constant("w2", w2)}, "y")});
  for (bool per_channel : {true, false}) {
    ir::Model e = m;
    const auto done = equalize(e, Equalize::kAuto, per_channel);
    ir::verify(e);
    expect_same_bits(m, e, {1, 3, 9, 9});
    if (!per_channel) continue;
    EXPECT_EQ(done.size(), 2U);
    EXPECT_LT(row_spread(weight_of(e, "c1")), 16);
  }
}

TEST(Equalize, TakesFlattenGemmAndConvTranspose) {
  Builder b;
  const auto x = b.input("x", {2, 3, 6, 6});
  const auto a = b.op("Relu", {first_conv(b, x)}, "a");
  const auto t =
      b.op("ConvTranspose",
           {a, b.constant("wt", random_tensor({kChannels, 2, 2, 2}, 7)), b.weight("bt", {4})}, "t");
  b.last().set("group", int64_t{2});
  const auto flat = b.op("Flatten", {b.op("Relu", {t}, "r")}, "flat");
  const auto y = b.op("Gemm", {flat, b.weight("g_w", {100, 7})}, "y");
  const ir::Model m = b.finish({y});
  const auto seams = find_seams(m);
  ASSERT_EQ(seams.size(), 2U);
  EXPECT_EQ(seams[0].channels, kChannels);
  EXPECT_EQ(seams[1].channels, 4);
  EXPECT_EQ(seams[1].spread, 25);
  ir::Model e = m;
  EXPECT_FALSE(equalize(e, Equalize::kOn, true).empty());
  ir::verify(e);
  expect_same_bits(m, e, {2, 3, 6, 6});
}

// Clip(0, 6) behind a convolution whose inputs lie in [0, 6].
ir::Model clipped(float size) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto lo = b.constant("lo", Tensor::scalar(0.0F)),
             hi = b.constant("hi", Tensor::scalar(6.0F));
  const auto in = b.op("Clip", {x, lo, hi}, "in");
  Tensor w = random_tensor({kChannels, 3, 3, 3}, 8);
  for (size_t i = 0; i < w.data<float>().size(); ++i)
    w.mutable_data<float>()[i] *= size * std::ldexp(1.0F, -static_cast<int>(i / 27));
  const auto a = b.op("Clip", {b.op("Conv", {in, b.constant("w1", w)}, "c1"), lo, hi}, "a");
  const Tensor w2 = Unequal::inputs(random_tensor({5, kChannels, 1, 1}, 3));
  return b.finish({b.op("Conv", {a, b.constant("w2", w2)}, "y")});
}

TEST(Equalize, GoesThroughAClipThatCutsNothing) {
  const ir::Model m = clipped(0.01F);
  ir::Model e = m;
  EXPECT_EQ(equalize(e, Equalize::kOn, true).size(), 1U);
  expect_same_bits(m, e, {1, 3, 8, 8});
}

TEST(Equalize, KeepsChannelsThatAClipMayCut) {
  for (float size : {0.2F, 1.0F, 100.0F}) {
    const ir::Model m = clipped(size);
    ir::Model e = m;
    equalize(e, Equalize::kOn, true);
    expect_same_bits(m, e, {1, 3, 8, 8});
  }
  ir::Model all = clipped(1000);
  EXPECT_TRUE(equalize(all, Equalize::kOn, true).empty());
}

TEST(Equalize, GivesSharedWeightsToOneNode) {
  Builder b;
  const auto x = b.input("x", {1, 3, 9, 9}), x2 = b.input("x2", {1, kChannels, 9, 9});
  const auto a = b.op("Relu", {first_conv(b, x)}, "a");
  const auto w2 = b.constant("w2", Unequal::inputs(random_tensor({5, kChannels, 1, 1}, 3)));
  const auto y = b.op("Conv", {a, w2}, "y"), other = b.op("Conv", {x2, w2}, "other");
  const ir::Model m = b.finish({y, other});
  ir::Model e = m;
  EXPECT_EQ(equalize(e, Equalize::kAuto, true).size(), 1U);
  const auto same = [&](const char* name) {
    return std::ranges::equal(weight_of(e, name).data<float>(), weight_of(m, name).data<float>());
  };
  EXPECT_TRUE(same("other"));
  EXPECT_FALSE(same("y"));
}

TEST(Equalize, NeedsValuesWithOneReader) {
  Builder b;
  const auto x = b.input("x", {1, 3, 9, 9});
  const auto a = b.op("Relu", {first_conv(b, x)}, "a");
  const auto y = b.conv(a, kChannels, kChannels, "y");
  const ir::Model m = b.finish({b.op("Add", {y, a}, "sum")});
  EXPECT_EQ(equalizable(m), 0);
  Builder c;
  const auto v = c.op("Relu", {first_conv(c, c.input("x", {1, 3, 9, 9}))}, "a");
  const auto z = c.conv(v, kChannels, 4, "y");
  EXPECT_EQ(equalizable(c.finish({z, v})), 0);
}

TEST(Equalize, TakesDeadAndUnreadChannels) {
  Builder b;
  const auto x = b.input("x", {1, 3, 9, 9});
  Tensor w1 = random_tensor({kChannels, 3, 3, 3}, 1), b1 = random_tensor({kChannels}, 2),
         w2 = random_tensor({5, kChannels, 1, 1}, 3);
  const auto row = [&](int64_t c, float factor) {
    for (int64_t i = 0; i < 27; ++i)
      w1.mutable_data<float>()[static_cast<size_t>(c * 27 + i)] *= factor;
    b1.mutable_data<float>()[static_cast<size_t>(c)] *= factor;
  };
  const auto column = [&](int64_t c, float factor) {
    for (int64_t o = 0; o < 5; ++o)
      w2.mutable_data<float>()[static_cast<size_t>(o * kChannels + c)] *= factor;
  };
  row(0, 0);       // dead
  row(1, 1e-41F);  // subnormal
  row(2, 1e5F);    // loud, and nobody reads it
  column(2, 0);
  row(3, 1e-3F);  // silent, and read loudly
  column(3, 1e3F);
  const auto a =
      b.op("Relu", {b.op("Conv", {x, b.constant("w1", w1), b.constant("b1", b1)}, "c1")}, "a");
  const ir::Model m = b.finish({b.op("Conv", {a, b.constant("w2", w2)}, "y")});
  ir::Model e = m;
  const auto done = equalize(e, Equalize::kAuto, true);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_GT(done[0].largest, 8);    // the loud one
  EXPECT_LT(done[0].smallest, -6);  // the silent one
  expect_same_bits(m, e, {1, 3, 9, 9});
}

}  // namespace
}  // namespace tersor::quant
