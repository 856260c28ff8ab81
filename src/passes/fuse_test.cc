// What goes into weights: normalizations, factors, addends, paddings.
#include <cmath>
#include <limits>

#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;
using Ints = std::vector<int64_t>;

Ids batch_norm_inputs(GraphBuilder& b, ir::ValueId x, int64_t channels, uint64_t seed = 10) {
  return {x, b.constant(floats({channels}, seed, 0.5, 2)), b.constant(floats({channels}, seed + 1)),
          b.constant(floats({channels}, seed + 2)),
          b.constant(floats({channels}, seed + 3, 0.1, 2))};
}
ir::ValueId batch_norm(GraphBuilder& b, ir::ValueId x, int64_t channels, uint64_t seed = 10) {
  return b.add("BatchNormalization", batch_norm_inputs(b, x, channels, seed), {{"epsilon", 1e-3F}});
}

// ---- fuse_batchnorm ----------------------------------------------------------------------------

TEST(FuseBatchnorm, IntoConvolutions) {
  for (bool bias : {false, true})
    for (int64_t group : {1, 2, 4})
      for (bool transposed : {false, true}) {
        Build m;
        const ir::ValueId x = m.b.input("x", {"n"s, 4, 6, 5});
        const int64_t out = 4;
        const Dims dims = transposed ? Dims{4, out / group, 3, 2} : Dims{out, 4 / group, 3, 2};
        Ids inputs{x, m.b.constant(floats(dims, 1))};
        if (bias) inputs.push_back(m.b.constant(floats({out}, 2)));
        const ir::ValueId y = m.b.add(transposed ? "ConvTranspose" : "Conv", inputs,
                                      {{"group", group}, {"pads", Ints{1, 0, 1, 1}}});
        m.b.output(batch_norm(m.b, y, out), "y");
        const Checked done = check(m.model);
        EXPECT_EQ(done.report.count("fuse_batchnorm"), 1);
        EXPECT_EQ(done.model.graph.nodes.size(), 1U);
        EXPECT_EQ(done.model.graph.nodes[0].inputs.size(), 3U);
      }
}

TEST(FuseBatchnorm, IntoProducts) {
  for (int64_t trans : {0, 1})
    for (int bias = 0; bias < 4; ++bias) {
      Build m;
      const ir::ValueId x = m.b.input("x", {3, 5});
      Ids inputs{x, m.b.constant(floats(trans ? Dims{4, 5} : Dims{5, 4}, 1))};
      const Dims shapes[] = {{}, {4}, {1, 4}, {3, 4}};
      if (bias > 0) inputs.push_back(m.b.constant(floats(shapes[bias], 2)));
      const ir::ValueId y =
          m.b.add("Gemm", inputs, {{"transB", trans}, {"alpha", 0.5F}, {"beta", 2.0F}});
      m.b.output(batch_norm(m.b, y, 4), "y");
      EXPECT_EQ(count(check(m.model).model, "BatchNormalization"), bias == 3 ? 1 : 0) << bias;
    }
  Build m;
  const ir::ValueId y =
      m.b.add("MatMul", {m.b.input("x", {3, 5}), m.b.constant(floats({5, 4}, 1))});
  m.b.output(batch_norm(m.b, y, 4), "y");
  const Checked done = check(m.model);
  EXPECT_EQ(only(done.model, "Gemm").inputs.size(), 3U);
  EXPECT_EQ(done.model.graph.nodes.size(), 1U);
}

TEST(FuseBatchnorm, LeavesOtherAxesOfAProduct) {
  Build m;
  const ir::ValueId y =
      m.b.add("MatMul", {m.b.input("x", {2, 4, 5}), m.b.constant(floats({5, 4}, 1))});
  m.b.output(batch_norm(m.b, y, 4), "y");  // over axis 1, while the channels are in axis 2
  EXPECT_EQ(count(check(m.model).model, "BatchNormalization"), 1);
}

enum class Obstacle {
  kNone,
  kReader,
  kOutput,
  kWeightsOfInput,
  kMeanOfInput,
  kNan,
  kInfinite,
  kVariance
};

TEST(FuseBatchnorm, NeedsConstantsOfItsOwn) {
  for (Obstacle o :
       {Obstacle::kNone, Obstacle::kReader, Obstacle::kOutput, Obstacle::kWeightsOfInput,
        Obstacle::kMeanOfInput, Obstacle::kNan, Obstacle::kInfinite, Obstacle::kVariance}) {
    Build m;
    const ir::ValueId x = m.b.input("x", {1, 3, 4, 4});
    const ir::ValueId w = o == Obstacle::kWeightsOfInput ? m.b.input("w", {2, 3, 3, 3})
                                                         : m.b.constant(floats({2, 3, 3, 3}, 1));
    const ir::ValueId y = m.b.add("Conv", {x, w});
    Ids inputs = batch_norm_inputs(m.b, y, 2);
    if (o == Obstacle::kMeanOfInput) inputs[3] = m.b.input("mean", {2});
    const float nan = std::numeric_limits<float>::quiet_NaN();
    if (o == Obstacle::kNan) inputs[2] = m.b.constant(Tensor::of<float>({2}, {nan, 1}));
    if (o == Obstacle::kInfinite)
      inputs[1] = m.b.constant(Tensor::of<float>({2}, {1, std::numeric_limits<float>::infinity()}));
    if (o == Obstacle::kVariance) inputs[4] = m.b.constant(Tensor::of<float>({2}, {-1, 1}));
    m.b.output(m.b.add("BatchNormalization", inputs), "y");
    if (o == Obstacle::kReader) m.b.output(m.b.add("Relu", {y}), "z");
    if (o == Obstacle::kOutput) m.b.output(y, "z");
    const Checked done = check(m.model);
    EXPECT_EQ(count(done.model, "BatchNormalization"), o == Obstacle::kNone ? 0 : 1)
        << static_cast<int>(o);
  }
}

TEST(FuseBatchnorm, SharedWeightsAreScaledApart) {
  Build m;
  const ir::ValueId w = m.b.constant(floats({3, 3, 1, 1}, 1)), bias = m.b.constant(floats({3}, 2));
  const ir::ValueId y =
      batch_norm(m.b, m.b.add("Conv", {m.b.input("x", {1, 3, 4, 4}), w, bias}), 3);
  const ir::ValueId z = batch_norm(m.b, m.b.add("Conv", {y, w, bias}), 3, 77);
  m.b.output(m.b.add("Conv", {z, w, bias}), "z");
  const Checked done = check(m.model);
  EXPECT_EQ(done.report.count("fuse_batchnorm"), 2);
  EXPECT_EQ(done.model.graph.nodes.size(), 3U);
}

TEST(FuseBatchnorm, OldFormsAndUnusedOutputs) {
  Build m(7);
  const ir::ValueId y =
      m.b.add("Conv", {m.b.input("x", {1, 3, 4, 4}), m.b.constant(floats({2, 3, 1, 1}, 1))});
  const Ids out = m.b.add_many("BatchNormalization", batch_norm_inputs(m.b, y, 2), 5);
  m.b.output(out[0], "y");
  // The reference of a training form is not needed to know that nobody reads the rest.
  m.model.graph.nodes.back().outputs.resize(1);
  m.model.graph.drop_unused_values();
  EXPECT_EQ(check(m.model).model.graph.nodes.size(), 1U);
}

TEST(FuseBatchnorm, AChainOfThem) {
  Build m;
  ir::ValueId y =
      m.b.add("Conv", {m.b.input("x", {1, 3, 4, 4}), m.b.constant(floats({2, 3, 1, 1}, 1))});
  for (uint64_t i = 0; i < 3; ++i) y = batch_norm(m.b, y, 2, 20 * i);
  m.b.output(y, "y");
  EXPECT_EQ(check(m.model).model.graph.nodes.size(), 1U);
}

// ---- fuse_scale --------------------------------------------------------------------------------

TEST(FuseScale, ConstantsGoIntoConv) {
  struct Case {
    const char* op;
    Dims dims;
    bool first;
    bool fuses;
  };
  const std::vector<Case> cases = {{"Mul", {}, false, true},
                                   {"Mul", {4, 1, 1}, true, true},
                                   {"Mul", {1, 4, 1, 1}, false, true},
                                   {"Add", {4, 1, 1}, false, true},
                                   {"Add", {1}, true, true},
                                   {"Sub", {4, 1, 1}, false, true},
                                   {"Sub", {4, 1, 1}, true, true},
                                   {"Div", {4, 1, 1}, false, true},
                                   {"Div", {4, 1, 1}, true, false},
                                   {"Mul", {4}, false, false},
                                   {"Add", {3, 1, 1, 1}, false, false},
                                   {"Mul", {1, 1, 4, 1, 1}, false, false},
                                   {"Mul", {4, 1, 4}, false, false}};
  for (size_t i = 0; i < cases.size(); ++i)
    for (bool bias : {false, true}) {
      SCOPED_TRACE(i);
      Build m;
      Ids inputs{m.b.input("x", {1, 3, 4, 4}), m.b.constant(floats({4, 3, 1, 1}, 1))};
      if (bias) inputs.push_back(m.b.constant(floats({4}, 2)));
      const ir::ValueId y = m.b.add("Conv", inputs),
                        c = m.b.constant(floats(cases[i].dims, 3, 0.5, 2));
      m.b.output(m.b.add(cases[i].op, cases[i].first ? Ids{c, y} : Ids{y, c}), "y");
      EXPECT_EQ(check(m.model).report.count("fuse_scale"), cases[i].fuses ? 1 : 0);
    }
}

TEST(FuseScale, OneChannelThatIsBroadcastStays) {
  Build m;
  const ir::ValueId y =
      m.b.add("Conv", {m.b.input("x", {1, 3, 4, 4}), m.b.constant(floats({1, 3, 1, 1}, 1))});
  m.b.output(m.b.add("Mul", {y, m.b.constant(floats({5, 1, 1}, 2))}), "y");
  EXPECT_EQ(check(m.model).report.count("fuse_scale"), 0);
}

TEST(FuseScale, ZeroNanAndInfinityStay) {
  for (float v :
       {0.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const char* op : {"Mul", "Add", "Div"}) {
      // Finite weights come out of these.
      if (v == 0.0F && op != "Div"s) continue;
      if (std::isinf(v) && op == "Div"s) continue;
      Build m;
      const ir::ValueId y =
          m.b.add("Conv", {m.b.input("x", {1, 3, 4, 4}), m.b.constant(floats({2, 3, 1, 1}, 1))});
      m.b.output(m.b.add(op, {y, m.b.constant(Tensor::scalar(v))}), "y");
      EXPECT_EQ(check(m.model).report.count("fuse_scale"), 0) << op << v;
    }
}

TEST(FuseScale, GemmAndMatMul) {
  for (const char* op : {"Mul", "Add"})
    for (bool gemm : {false, true}) {
      Build m;
      const ir::ValueId x = m.b.input("x", {"n"s, 3});
      Ids inputs{x, m.b.constant(floats({3, 4}, 1))};
      if (gemm) inputs.push_back(m.b.constant(floats({4}, 2)));
      const ir::ValueId y = m.b.add(gemm ? "Gemm" : "MatMul", inputs);
      m.b.output(m.b.add(op, {y, m.b.constant(floats({4}, 3))}), "y");
      EXPECT_EQ(check(m.model).model.graph.nodes.size(), 1U);
    }
}

TEST(FuseScale, TheResultMayBeBroadcastByTheConstant) {
  Build m;
  const ir::ValueId y = m.b.add("MatMul", {m.b.input("x", {3}), m.b.constant(floats({3, 4}, 1))});
  m.b.output(m.b.add("Mul", {y, m.b.constant(floats({1, 4}, 3))}), "y");
  check(m.model);
}

// ---- fuse_pad ----------------------------------------------------------------------------------

TEST(FusePad, ZerosGoIntoConvAndAveragePool) {
  struct Case {
    Ints pads;
    const char* mode;
    double value;
    bool fuses;
  };
  const std::vector<Case> cases = {{{0, 0, 1, 2, 0, 0, 3, 0}, "constant", 0, true},
                                   {{0, 1, 1, 1, 0, 0, 1, 1}, "constant", 0, false},
                                   {{0, 0, 1, 1, 0, 0, 1, 1}, "constant", 1, false},
                                   {{0, 0, 1, 1, 0, 0, 1, 1}, "reflect", 0, false},
                                   {{0, 0, 1, -1, 0, 0, 1, 1}, "constant", 0, false}};
  for (size_t i = 0; i < cases.size(); ++i)
    for (bool conv : {true, false})
      for (int64_t opset : {9, 13}) {
        SCOPED_TRACE(i);
        const Case& c = cases[i];
        Build m(opset);
        const ir::ValueId x = m.b.input("x", {1, 3, 6, 6});
        const ir::ValueId padded =
            opset < 11
                ? m.b.add("Pad", {x},
                          {{"pads", c.pads},
                           {"mode", std::string(c.mode)},
                           {"value", static_cast<float>(c.value)}})
                : m.b.add("Pad",
                          {x, m.b.constant(Tensor::vector(c.pads)), m.b.constant(number(c.value))},
                          {{"mode", std::string(c.mode)}});
        const int64_t channels = i == 1 ? 4 : 3;
        const ir::ValueId y =
            conv ? m.b.add("Conv", {padded, m.b.constant(floats({2, channels, 3, 3}, 1))},
                           {{"pads", Ints{1, 1, 0, 0}}})
                 : m.b.add("AveragePool", {padded},
                           {{"kernel_shape", Ints{4, 4}}, {"count_include_pad", int64_t{1}}});
        m.b.output(y, "y");
        EXPECT_EQ(check(m.model).report.count("fuse_pad"), c.fuses ? 1 : 0);
      }
}

TEST(FusePad, TheMeanCountsThePadding) {
  Build m;
  const ir::ValueId x = m.b.input("x", {1, 3, 6, 6});
  const ir::ValueId padded = m.b.add("Pad", {x, m.b.constant(ints({0, 0, 1, 1, 0, 0, 1, 1}))});
  m.b.output(m.b.add("AveragePool", {padded}, {{"kernel_shape", Ints{3, 3}}}), "y");
  m.b.output(m.b.add("MaxPool", {padded}, {{"kernel_shape", Ints{3, 3}}}), "z");
  const Checked done = check(m.model);
  EXPECT_EQ(only(done.model, "AveragePool").attr_int("count_include_pad", 0), 1);
  EXPECT_EQ(count(done.model, "Pad"), 1) << "the maximum needs the zeros";
}

// ---- matmul_add_to_gemm ------------------------------------------------------------------------

TEST(MatmulAddToGemm, WhereTheLeftSideIsAMatrix) {
  struct Case {
    ir::Shape x;
    Dims bias;
    bool fuses;
  };
  const std::vector<Case> cases = {
      {{"n"s, 5}, {4}, true},  {{"n"s, 5}, {1, 4}, true}, {{2, 5}, {}, true},
      {{2, 5}, {1}, true},     {{2, 5}, {2, 4}, false},   {{1, 5}, {3, 4}, false},
      {{2, 3, 5}, {4}, false}, {{5}, {4}, false},         {{2, 5}, {1, 1, 4}, false}};
  for (size_t i = 0; i < cases.size(); ++i)
    for (bool first : {false, true}) {
      SCOPED_TRACE(i);
      Build m;
      const ir::ValueId y =
          m.b.add("MatMul", {m.b.input("x", cases[i].x), m.b.constant(floats({5, 4}, 1))});
      const ir::ValueId c = m.b.constant(floats(cases[i].bias, 2));
      m.b.output(m.b.add("Add", first ? Ids{c, y} : Ids{y, c}), "y");
      EXPECT_EQ(count(check(m.model).model, "Gemm"), cases[i].fuses ? 1 : 0);
    }
}

TEST(MatmulAddToGemm, SharedProductsStay) {
  Build m;
  const ir::ValueId y =
      m.b.add("MatMul", {m.b.input("x", {2, 5}), m.b.constant(floats({5, 4}, 1))});
  m.b.output(m.b.add("Add", {y, m.b.constant(floats({4}, 2))}), "y");
  m.b.output(m.b.add("Add", {y, m.b.constant(floats({4}, 3))}), "z");
  EXPECT_EQ(count(check(m.model).model, "Gemm"), 0);
}

}  // namespace
}  // namespace tersor::passes::testing
