#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "ops/testing_graph.h"
#include "quant/algorithms/bias_correction.h"
#include "quant/algorithms/outliers.h"
#include "quant/analysis.h"
#include "quant/formats/int8.h"
#include "quant/formats/saturation.h"
#include "quant/partial.h"
#include "stats/difference.h"
#include "tersor/error.h"

namespace tersor::quant {
namespace {

using ops::testing::Builder;
using ops::testing::random_tensor;
using ops::testing::residual_model;

// ---- formats -------------------------------------------------------------------------------

TEST(AsymmetricU8, RepresentsZeroExactly) {
  std::mt19937 rng(1);
  std::uniform_real_distribution<float> number(-10, 10);
  for (int i = 0; i < 1000; ++i) {
    const float a = number(rng), b = number(rng);
    const Format f = asymmetric_u8({std::min(a, b), std::max(a, b)});
    const Tensor zero = Tensor::scalar(0.0F);
    EXPECT_EQ(dequantize(quantize(zero, f), f).data<float>()[0], 0.0F);
    EXPECT_GT(f.params.scale(), 0);
    EXPECT_GE(f.params.zero_point(), 0);
    EXPECT_LE(f.params.zero_point(), 255);
  }
}

TEST(AsymmetricU8, FromZeroNeverReachesBeyondTheRange) {
  std::mt19937 rng(2);
  std::uniform_real_distribution<float> number(0.001F, 100);
  for (int i = 0; i < 1000; ++i) {
    const float hi = i == 0 ? 6.0F : number(rng);
    const Format f = asymmetric_u8({0, hi});
    EXPECT_EQ(f.params.zero_point(), 0);
    EXPECT_LE(255.0F * f.params.scale(), hi);
    EXPECT_GE(255.0F * f.params.scale(), hi * 0.99999F);
  }
}

TEST(AsymmetricU8, TakesAnEmptyRange) {
  const Format f = asymmetric_u8({0, 0});
  EXPECT_EQ(f.params.scale(), 1);
  EXPECT_EQ(f.params.zero_point(), 0);
}

TEST(ClippedShare, LeavesOutWhatRoundsToTheEnds) {
  stats::TensorStats seen;
  seen.add(std::vector<float>{0, 1, 6, 6});
  EXPECT_EQ(clipped_share(seen, asymmetric_u8({0, 6})), 0);
  EXPECT_NEAR(clipped_share(seen, asymmetric_u8({0, 5})), 0.5, 1e-6);
  EXPECT_EQ(clipped_share(seen, symmetric_s8({-1, 6})), 0);
}

TEST(SymmetricS8, RoundsWithinHalfAStepPerChannel) {
  std::mt19937 rng(3);
  std::normal_distribution<float> number;
  Tensor w = Tensor::empty(DType::kFloat32, {5, 7, 3});
  for (float& v : w.mutable_data<float>()) v = number(rng);
  for (int axis : {-1, 0, 1, 2}) {
    const Format f = symmetric_weights(w, axis);
    EXPECT_EQ(f.params.scales.size(),
              axis < 0 ? 1U : static_cast<size_t>(w.dims()[static_cast<size_t>(axis)]));
    const Tensor codes = quantize(w, f), back = dequantize(codes, f);
    const float step = *std::ranges::max_element(f.params.scales);
    EXPECT_LE(stats::max_abs(w.data<float>(), back.data<float>()), step * 0.5001);
    for (int8_t q : codes.data<int8_t>()) EXPECT_GE(q, -127);
  }
}

TEST(SymmetricS8, MakesRoomForABiasBeyondTinyWeights) {
  const Tensor w = Tensor::of<float>({2, 1}, {1e-20F, 1});
  const std::vector<float> bias{3, 3};
  Format f = symmetric_weights(w, 0);
  make_room_for_bias(f, 0.01F, bias);
  const Bias q = quantize_bias(bias, 0.01F, f);
  for (size_t c = 0; c < 2; ++c)
    EXPECT_NEAR(
        static_cast<double>(q.codes.data<int32_t>()[c]) * static_cast<double>(q.params.scales[c]),
        3, 1e-4);
}

TEST(Glob, MatchesAsFileNamesDo) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("layer?.conv*", "layer4.conv2"));
  EXPECT_TRUE(glob_match("a*b*c", "aXXbYYbZc"));
  EXPECT_FALSE(glob_match("a*b", "abc"));
  EXPECT_FALSE(glob_match("conv", "conv1"));
}

// ---- bias correction -----------------------------------------------------------------------

TEST(BiasCorrection, KeepsTheOutputForTheMeanInput) {
  struct Case {
    const char* op;
    Dims weight;
    int64_t group, trans_b, inputs;
  };
  for (const Case& c : {Case{"Conv", {4, 3, 2, 2}, 1, 0, 3}, Case{"Conv", {6, 2, 3}, 3, 0, 6},
                        Case{"Gemm", {5, 4}, 1, 1, 4}, Case{"Gemm", {5, 4}, 1, 0, 5}}) {
    ir::Node node;
    node.op = c.op;
    node.set("group", c.group);
    node.set("transB", c.trans_b);
    std::mt19937 rng(4);
    std::normal_distribution<float> number;
    Tensor w = Tensor::empty(DType::kFloat32, c.weight),
           r = Tensor::empty(DType::kFloat32, c.weight);
    for (float& v : w.mutable_data<float>()) v = number(rng);
    for (size_t i = 0; i < w.data<float>().size(); ++i)
      r.mutable_data<float>()[i] = w.data<float>()[i] + 0.1F * number(rng);
    const bool gemm = c.op == std::string("Gemm");
    const int64_t outputs = gemm && !c.trans_b ? c.weight[1] : c.weight[0];
    Tensor bias = Tensor::empty(DType::kFloat32, {outputs});
    for (float& v : bias.mutable_data<float>()) v = number(rng);
    std::vector<double> mean(static_cast<size_t>(c.inputs));
    for (double& v : mean) v = static_cast<double>(number(rng));
    const std::vector<float> corrected = corrected_bias(node, w, r, &bias, mean);
    ASSERT_EQ(static_cast<int64_t>(corrected.size()), outputs);
    // An input that is everywhere its mean.
    Dims shape = gemm ? Dims{1, c.inputs} : Dims{1, c.inputs};
    for (size_t d = 2; d < c.weight.size(); ++d) shape.push_back(c.weight[d]);
    Tensor x = Tensor::empty(DType::kFloat32, shape);
    const int64_t inner = x.count() / c.inputs;
    for (int64_t i = 0; i < x.count(); ++i)
      x.mutable_data<float>()[static_cast<size_t>(i)] =
          static_cast<float>(mean[static_cast<size_t>(i / inner)]);
    const Tensor new_bias = Tensor::of<float>({outputs}, corrected);
    ir::Model m;
    m.opsets[""] = 17;
    node.inputs = {0, 1, 2};
    node.outputs = {3};
    const std::vector<const Tensor*> before{&x, &w, &bias}, after{&x, &r, &new_bias};
    const Tensor a = ops::interpret(node, m, before)[0], b = ops::interpret(node, m, after)[0];
    EXPECT_LE(stats::max_abs(a.data<float>(), b.data<float>()), 1e-5);
  }
}

TEST(BiasCorrection, GivesWayWhereMeansDoNotFit) {
  ir::Node node;
  node.op = "Conv";
  const Tensor w = Tensor::zeros(DType::kFloat32, {2, 3, 1, 1});
  EXPECT_TRUE(corrected_bias(node, w, w, nullptr, {}).empty());
  EXPECT_TRUE(corrected_bias(node, w, w, nullptr, {1, 2}).empty());
  EXPECT_EQ(corrected_bias(node, w, w, nullptr, {1, 2, 3}).size(), 2U);
}

// ---- saturation ----------------------------------------------------------------------------

TEST(Saturation, IsRuledOutChannelByChannel) {
  struct Case {
    const char* op;
    Dims weight;
    int64_t group, trans_b;
    int axis, adds;
  };
  for (const Case& c : {Case{"Conv", {6, 5, 3, 3}, 1, 0, 0, 2}, Case{"Conv", {6, 2, 3}, 3, 0, 0, 2},
                        Case{"Gemm", {5, 8}, 1, 1, 0, 2}, Case{"Gemm", {9, 4}, 1, 0, 1, 2},
                        Case{"MatMul", {7, 3}, 1, 0, 1, 2}, Case{"Conv", {6, 5, 3, 3}, 1, 0, -1, 2},
                        Case{"Conv", {6, 17, 3, 1}, 1, 0, 0, 4}, Case{"Gemm", {5, 8}, 1, 1, 0, 4},
                        Case{"MatMul", {70, 3}, 1, 0, 1, 4}}) {
    ir::Node node;
    node.op = c.op;
    node.set("group", c.group);
    node.set("transB", c.trans_b);
    // Half of them are far from the largest one, as weights are.
    Tensor w = random_tensor(c.weight, 3);
    for (size_t i = 0; float& x : w.mutable_data<float>()) x *= i++ % 4 < 2 ? 0.25F : 1;
    const Format plain = symmetric_weights(w, c.axis);
    Format f = plain;
    avoid_saturation(f, node, w, c.adds);
    EXPECT_GT(largest_sum(quantize(w, plain), node, c.adds), 128) << c.op;
    EXPECT_LE(largest_sum(quantize(w, f), node, c.adds), 128) << c.op << c.adds;
    // No channel loses more than the bit that 7-bit weights cost, or twice that.
    for (size_t i = 0; i < f.params.scales.size(); ++i) {
      EXPECT_GE(f.params.scales[i], plain.params.scales[i]);
      EXPECT_LE(f.params.scales[i], 1.05F * static_cast<float>(c.adds) * plain.params.scales[i]);
    }
  }
}

TEST(Saturation, OfFourIsAvoidedWhereItPays) {
  ir::Node node;
  node.op = "Conv";
  // All as large as the largest: it would cost two bits.
  const Tensor w = Tensor::of<float>({1, 8, 1, 1}, {9, 9, 9, 9, 9, 9, 9, 9});
  Format f = symmetric_weights(w, 0);
  avoid_saturation(f, node, w, 4);
  EXPECT_EQ(f, symmetric_weights(w, 0));
  // Winograd's way is exact with any weights.
  const Tensor tiles = random_tensor({4, 16, 3, 3}, 3);
  Format g = symmetric_weights(tiles, 0);
  avoid_saturation(g, node, tiles, 4);
  EXPECT_EQ(g, symmetric_weights(tiles, 0));
  EXPECT_EQ(largest_sum(quantize(tiles, g), node, 4), 0);
  node.set("strides", std::vector<int64_t>{2, 2});
  EXPECT_GT(largest_sum(quantize(tiles, g), node, 4), 128);
}

TEST(Saturation, LeavesAloneWhatCannotOverflow) {
  ir::Node conv;
  conv.op = "Conv";
  // Along the inner axis the large weights of one channel have small neighbours or other signs.
  const Tensor w = Tensor::of<float>({2, 4, 1, 1}, {127, 1, -127, 127, 127, 127, 1, 1});
  Format f = symmetric_weights(w, 0);
  avoid_saturation(f, conv, w, 2);
  EXPECT_EQ(f.params.scales[0], 1);
  EXPECT_GT(f.params.scales[1], 1.9F);
  // In a Conv of several taps, input channels are neighbours, not taps.
  const Tensor taps = Tensor::of<float>({1, 2, 2}, {127, 127, 1, 1});
  EXPECT_EQ(largest_sum(quantize(taps, symmetric_weights(taps, 0)), conv, 2), 128);
  // A depthwise Conv is exact.
  ir::Node depthwise = conv;
  depthwise.set("group", int64_t{2});
  const Tensor d = Tensor::of<float>({2, 1, 2, 1}, {127, 127, 127, 127});
  Format g = symmetric_weights(d, 0);
  avoid_saturation(g, depthwise, d, 2);
  EXPECT_EQ(g, symmetric_weights(d, 0));
}

TEST(Saturation, OfTwoIsRuledOutForOnnxruntimeAlone) {
  const ir::Model m = residual_model();
  for (const Target* t : all_targets()) {
    Recipe recipe;
    recipe.calibrator.method = &stats::kMinMax;
    recipe.target = t;
    stats::Statistics none;
    for (const auto& [name, axis] : points(m, recipe))
      none.tensors[name].add(std::vector<float>{-1, 0, 1});
    const Decisions d = decide(m, none, recipe);
    for (size_t n = 0; n < m.graph.nodes.size(); ++n)
      for (const NodeDecision& decision : d.nodes) {
        const ir::Node& node = m.graph.nodes[n];
        if (decision.node != node.name || !decision.weight) continue;
        const int64_t pair =
            largest_sum(quantize(*m.graph.constant(node.inputs[1]), *decision.weight), node, 2);
        EXPECT_EQ(pair <= 128, t->adds == 2) << t->name << " " << node.name << " " << pair;
      }
  }
}

// ---- models --------------------------------------------------------------------------------

// Statistics of the named values over some random samples, by the interpreter.
stats::Statistics observe(const ir::Model& model, const std::map<std::string, int>& names,
                          const Dims& dims) {
  ir::Model open = model;
  std::vector<std::string> order;
  open.graph.outputs.clear();
  for (size_t v = 0; v < open.graph.values.size(); ++v)
    if (names.contains(open.graph.values[v].name)) {
      open.graph.outputs.push_back(static_cast<ir::ValueId>(v));
      order.push_back(open.graph.values[v].name);
    }
  stats::Statistics s;
  for (unsigned seed = 0; seed < 8; ++seed) {
    const std::vector<Tensor> in{random_tensor(dims, seed)};
    const std::vector<Tensor> out = ops::interpret(open.graph, open, in);
    for (size_t i = 0; i < order.size(); ++i) {
      stats::TensorStats& t = s.tensors[order[i]];
      t.add(out[i].data<float>());
      const Dims& d = out[i].dims();
      if (names.at(order[i]) != 0)
        t.channels.add(out[i].data<float>(), d[0], d[1], d.size() == 4 ? d[2] * d[3] : 1);
    }
    ++s.samples;
  }
  return s;
}

Recipe minmax() {
  Recipe r;
  r.calibrator.method = &stats::kMinMax;
  return r;
}

int64_t count(const ir::Model& m, const std::string& op) {
  return std::ranges::count(m.graph.nodes, op, &ir::Node::op);
}
bool is_stored(const ir::Model& m, const Analysis& a, const std::string& name) {
  return a.stored[static_cast<size_t>(m.graph.find(name))];
}

TEST(Analysis, KeepsActivationsWithTheirOperators) {
  const ir::Model m = residual_model();
  const Analysis a = analyse(m, {}, {});
  for (const char* name : {"x", "r1", "c2", "r2", "pool", "flat"})
    EXPECT_TRUE(is_stored(m, a, name)) << name;
  for (const char* name : {"c1", "sum", "y"}) EXPECT_FALSE(is_stored(m, a, name)) << name;
  // Flatten moves values: they keep their format.
  EXPECT_EQ(a.head[static_cast<size_t>(m.graph.find("flat"))], m.graph.find("pool"));
}

TEST(Analysis, LeavesWhatIsKeptOrUnobserved) {
  const ir::Model m = residual_model();
  const Analysis kept = analyse(m, {"node_c2"}, {});
  EXPECT_TRUE(is_stored(m, kept, "x"));
  EXPECT_FALSE(is_stored(m, kept, "c2"));
  EXPECT_FALSE(is_stored(m, kept, "r2"));  // the sum is float then
  EXPECT_TRUE(is_stored(m, kept, "flat"));
  const Analysis unseen = analyse(m, {}, {{"r1", "was never observed"}});
  EXPECT_FALSE(is_stored(m, unseen, "r1"));
  EXPECT_FALSE(is_stored(m, unseen, "c2"));
}

TEST(Analysis, DoesNotQuantizePreprocessingInFloat) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto scaled = b.op("Mul", {x, b.weight("k", {1})}, "scaled");
  const ir::Model m = b.finish({b.conv(scaled, 3, 4, "c1")});
  const Analysis a = analyse(m, {}, {});
  EXPECT_FALSE(is_stored(m, a, "x"));
  EXPECT_TRUE(is_stored(m, a, "scaled"));
}

TEST(Analysis, MovesQuantizedInputsThroughTransposes) {
  Builder b;
  const auto x = b.input("x", {1, 8, 8, 3});
  const auto t = b.op("Transpose", {x}, "t");
  b.last().set("perm", std::vector<int64_t>{0, 3, 1, 2});
  const ir::Model m = b.finish({b.conv(t, 3, 4, "c1")});
  const Analysis a = analyse(m, {}, {});
  EXPECT_TRUE(is_stored(m, a, "x"));
  EXPECT_EQ(points(m, {}), (std::map<std::string, int>{{"x", 0}, {"t", 1}, {"c1", 0}}));
}

// Two parts, one `factor` times the other, joined, reshaped, and taken apart for two convolutions;
// `whole`: a third one reads them together.
ir::Model joined_model(float factor, bool whole) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto a = b.conv(x, 3, 4, "a");
  const auto k = b.constant("k", random_tensor({4, 3, 1, 1}, 50, 0.3F * factor));
  const auto c = b.op("Conv", {x, k}, "c");
  const auto both = b.op("Concat", {a, c}, "both");
  b.last().set("axis", int64_t{1});
  const auto shape = b.constant("shape", Tensor::of<int64_t>({4}, {1, 8, 4, 16}));
  const auto flat = b.op("Reshape", {both, shape}, "flat");
  const auto split = b.op("Split", {flat}, "s1");
  b.last().set("axis", int64_t{1});
  const auto s2 = b.model.graph.add_value("s2");
  b.last().outputs.push_back(s2);
  std::vector<ir::ValueId> outputs{b.conv(split, 4, 4, "y1"), b.conv(s2, 4, 4, "y2")};
  if (whole) outputs.push_back(b.conv(flat, 8, 4, "y3"));
  return b.finish(std::move(outputs));
}

TEST(UnlikeParts, GetScalesOfTheirOwn) {
  struct Case {
    float factor;
    bool whole, together;
  };
  for (const Case& c : {Case{1, false, true}, Case{1000, false, false}, Case{0.001F, false, false},
                        Case{1000, true, true}}) {
    const ir::Model m = joined_model(c.factor, c.whole);
    const Recipe recipe = minmax();
    const auto statistics = observe(m, points(m, recipe), {1, 3, 8, 8});
    const Decisions d = decide(m, statistics, recipe);
    const auto node = std::ranges::find(d.nodes, "Concat", &NodeDecision::op);
    ASSERT_NE(node, d.nodes.end());
    EXPECT_EQ(node->quantized, c.together) << c.factor;
    EXPECT_EQ(node->reason.empty(), c.together) << node->reason;
    EXPECT_EQ(d.activations.contains("both"), c.together);
    EXPECT_EQ(d.activations.at("s1") == d.activations.at("s2"), c.together);
    if (c.whole) continue;
    const ir::Model q = apply(m, d);
    const std::vector<Tensor> in{random_tensor({1, 3, 8, 8}, 99)};
    const auto a = ops::interpret(m.graph, m, in), b = ops::interpret(q.graph, q, in);
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_GE(stats::sqnr_db(a[i].data<float>(), b[i].data<float>()), 22) << c.factor;
  }
}

// Standard normal numbers and one that is far larger.
std::vector<float> with_outlier(float outlier) {
  std::mt19937 rng(5);
  std::normal_distribution<float> number;
  std::vector<float> v(50000);
  for (float& x : v) x = number(rng);
  v.push_back(outlier);
  return v;
}

TEST(Outliers, AreMeasuredByWhatTheyLeaveOfTheOthers) {
  const auto db = [](float outlier) {
    stats::TensorStats seen;
    seen.add(with_outlier(outlier));
    return ordinary_sqnr_db(seen, asymmetric_u8(stats::choose_range(seen, {})));
  };
  EXPECT_GT(db(4), 35);
  EXPECT_GT(db(30), kHopelessDb);
  EXPECT_LT(db(1000), kHopelessDb);
  EXPECT_EQ(ordinary_sqnr_db({}, asymmetric_u8({0, 1})), HUGE_VAL);
}

TEST(Outliers, KeepTheirReadersInFloat) {
  const ir::Model m = residual_model();
  Recipe recipe = minmax();
  recipe.calibrator = stats::parse_calibrator("mse");
  auto statistics = observe(m, points(m, recipe), {2, 3, 8, 8});
  statistics.tensors.at("x").add(with_outlier(3000));
  const Decisions d = decide(m, statistics, recipe);
  EXPECT_FALSE(d.activations.contains("x"));
  for (const NodeDecision& node : d.nodes) {
    if (!node.weighted) continue;
    EXPECT_EQ(node.quantized, node.node != "node_c1") << node.node;
    if (!node.quantized) EXPECT_NE(node.reason.find("up to 3e+03"), std::string::npos);
  }
}

TEST(Apply, QuantizesOnceAndDequantizesForEachReader) {
  const ir::Model m = residual_model();
  const Recipe recipe = minmax();
  const auto statistics = observe(m, points(m, recipe), {2, 3, 8, 8});
  const Decisions d = decide(m, statistics, recipe);
  const ir::Model q = apply(m, d);
  EXPECT_EQ(count(q, "QuantizeLinear"), 6);
  // x, r1 twice, c2, r2, pool, flat; three weights and three biases.
  EXPECT_EQ(count(q, "DequantizeLinear"), 7 + 6);
  EXPECT_EQ(q.graph.values[q.graph.outputs[0]].name, "y");
  EXPECT_EQ(d.activations.at("r1").params.zero_point(), 0);
  EXPECT_EQ(d.activations.at("flat"), d.activations.at("pool"));
  const std::vector<Tensor> in{random_tensor({2, 3, 8, 8}, 99)};
  const auto a = ops::interpret(m.graph, m, in), b = ops::interpret(q.graph, q, in);
  EXPECT_GE(stats::sqnr_db(a[0].data<float>(), b[0].data<float>()), 25);
}

TEST(Decide, DoesNotDependOnThreads) {
  const ir::Model m = residual_model();
  Recipe recipe = minmax();
  recipe.bias_correct = true;
  const stats::Statistics seen = observe(m, points(m, recipe), {2, 3, 8, 8});
  const Decisions one = decide(m, seen, recipe), many = decide(m, seen, recipe, nullptr, 3);
  ASSERT_EQ(many.nodes.size(), one.nodes.size());
  for (size_t i = 0; i < one.nodes.size(); ++i) {
    EXPECT_EQ(many.nodes[i].output, one.nodes[i].output);
    EXPECT_EQ(many.nodes[i].weight, one.nodes[i].weight);
    EXPECT_EQ(many.nodes[i].weight_sqnr_db, one.nodes[i].weight_sqnr_db);
    EXPECT_EQ(many.nodes[i].bias, one.nodes[i].bias);
  }
}

TEST(Apply, GivesProductsZeroPointsOfTheirOwn) {
  Builder b;
  ir::ValueId x = b.input("x", {4, 8});
  for (const char* name : {"m1", "m2"})
    x = b.op("MatMul", {x, b.weight(std::string(name) + "_w", {8, 8})}, name);
  const ir::Model m = b.finish({x});
  const Recipe recipe = minmax();
  const ir::Model q = apply(m, decide(m, observe(m, points(m, recipe), {4, 8}), recipe));
  std::set<ir::ValueId> zeros;
  for (const ir::Node& node : q.graph.nodes)
    if (node.op == "DequantizeLinear" && q.graph.constant(node.inputs[0]))
      zeros.insert(node.inputs[2]);
  EXPECT_EQ(zeros.size(), 2U);
}

Recipe minmax_for(const char* target) {
  Recipe r = minmax();
  r.target = &find_target(target);
  return r;
}
ir::Model quantized(const ir::Model& m, const Recipe& recipe, const Dims& dims) {
  return apply(m, decide(m, observe(m, points(m, recipe), dims), recipe));
}

TEST(Apply, MakesWhatEachTargetAsksFor) {
  const ir::Model m = residual_model();
  const std::vector<Tensor> in{random_tensor({2, 3, 8, 8}, 99)};
  const auto a = ops::interpret(m.graph, m, in);
  for (const Target* t : all_targets()) {
    const ir::Model q = quantized(m, minmax_for(t->name), {2, 3, 8, 8});
    for (const Finding& f : check(q, *t)) ADD_FAILURE() << t->name << ": " << f.rule << f.what;
    const auto b = ops::interpret(q.graph, q, in);
    EXPECT_GE(stats::sqnr_db(a[0].data<float>(), b[0].data<float>()), 23) << t->name;
  }
}

TEST(Apply, IsSymmetricForTensorRt) {
  const ir::Model m = residual_model();
  const Recipe recipe = minmax_for("tensorrt");
  const Decisions d = decide(m, observe(m, points(m, recipe), {2, 3, 8, 8}), recipe);
  for (const auto& [name, format] : d.activations) {
    EXPECT_EQ(format.dtype, DType::kInt8) << name;
    EXPECT_EQ(format.params.zero_point(), 0) << name;
  }
  const ir::Model q = apply(m, d);
  // x, r1 twice, c2, r2, pool, flat; three weights; biases are floats.
  EXPECT_EQ(count(q, "DequantizeLinear"), 7 + 3);
}

TEST(Apply, QuantizesTheLastResidualAddForTensorRt) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto r = b.op("Relu", {b.conv(x, 3, 4, "c1")}, "r1");
  const ir::Model m = b.finish({b.op("Add", {b.conv(r, 4, 4, "c2"), r}, "sum")});
  const ir::Model any = quantized(m, minmax_for("any"), {1, 3, 8, 8});
  EXPECT_EQ(check(any, find_target("tensorrt")).empty(), false);
  const ir::Model q = quantized(m, minmax_for("tensorrt"), {1, 3, 8, 8});
  for (const Finding& f : check(q, find_target("tensorrt"))) ADD_FAILURE() << f.rule << f.what;
  const ir::Node& add = q.graph.nodes.back();
  EXPECT_EQ(add.op, "Add");
  EXPECT_EQ(q.graph.values[add.inputs[0]].name, "c2_dq");
}

TEST(Apply, LeavesInFloatWhatTheTargetHasNoFormOf) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto up = b.op("ConvTranspose", {b.conv(x, 3, 4, "c1"), b.weight("w", {4, 4, 2, 2})}, "up");
  const ir::Model m = b.finish({b.conv(up, 4, 4, "c2")});
  const Recipe recipe = minmax_for("onnxruntime");
  const Decisions d = decide(m, observe(m, points(m, recipe), {1, 3, 8, 8}), recipe);
  for (const NodeDecision& n : d.nodes) {
    EXPECT_EQ(n.quantized, n.op == "Conv") << n.node;
    EXPECT_EQ(n.reason, n.op == "Conv" ? "" : "onnxruntime has no 8-bit form of it");
  }
  for (const Finding& f : check(apply(m, d), *recipe.target)) ADD_FAILURE() << f.rule << f.what;
}

TEST(Apply, KeepsTheNameOfAnOutputThatIsStored) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const ir::Model m = b.finish({b.conv(x, 3, 4, "c1")});
  const Recipe recipe = minmax();
  const ir::Model q = apply(m, decide(m, observe(m, points(m, recipe), {1, 3, 8, 8}), recipe));
  EXPECT_EQ(q.graph.values[q.graph.outputs[0]].name, "c1");
  EXPECT_EQ(q.graph.nodes.back().op, "DequantizeLinear");
}

TEST(Apply, IsUndoneByRemovingQuantization) {
  const ir::Model m = residual_model();
  const Recipe recipe = minmax();
  const ir::Model q = apply(m, decide(m, observe(m, points(m, recipe), {2, 3, 8, 8}), recipe));
  EXPECT_GT(quantize_nodes(q), 0);
  const ir::Model real = remove_quantization(q);
  EXPECT_EQ(quantize_nodes(real), 0);
  const std::vector<Tensor> in{random_tensor({2, 3, 8, 8}, 5)};
  const auto a = ops::interpret(m.graph, m, in), b = ops::interpret(real.graph, real, in);
  EXPECT_GE(stats::sqnr_db(a[0].data<float>(), b[0].data<float>()), 30);
}

TEST(CheckWeights, NamesTheTensor) {
  ir::Model m = residual_model();
  for (ir::Value& v : m.graph.values)
    if (v.name == "c2_b") v.constant = Tensor::of<float>({4}, {0, 1, NAN, 3});
  for (int threads : {1, 2}) try {
      check_weights(m, threads);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), "E14");
      EXPECT_NE(e.sentence().find("c2_b"), std::string::npos);
    }
}

TEST(ObservablePart, EndsBeforeUnknownOperators) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto c = b.conv(x, 3, 4, "c1");
  const auto f = b.op("FooBar", {c}, "foo");
  const ir::Model m = b.finish({b.conv(f, 4, 4, "c2")});
  std::map<std::string, int> names{{"x", 1}, {"c1", 0}, {"foo", 1}, {"c2", 0}};
  const ir::Model part = observable_part(m, names);
  EXPECT_EQ(names, (std::map<std::string, int>{{"x", 1}, {"c1", 0}}));
  EXPECT_EQ(part.graph.nodes.size(), 1U);
}

}  // namespace
}  // namespace tersor::quant
