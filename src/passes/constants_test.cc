// Constants: where they lie, what is computed of them ahead, what stays dynamic.
#include <limits>

#include "onnx/onnx.h"
#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;
using Ints = std::vector<int64_t>;

// ---- constants_to_initializers, initializers_not_inputs, dedup_constants -----------------------

TEST(ConstantsToInitializers, AllKindsOfValues) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2, 2});
  const auto constant = [&](const char* name, ir::Attribute::Data data) {
    return m.b.add("Constant", {}, {{name, std::move(data)}});
  };
  ir::ValueId y = m.b.add("Add", {x, constant("value", floats({2, 2}, 1))});
  y = m.b.add("Mul", {y, constant("value_float", 2.5F)});
  y = m.b.add("Mul", {y, constant("value_floats", std::vector<float>{1.5F, 2.5F})});
  y = m.b.add("Reshape", {y, constant("value_ints", Ints{4, 1})});
  y = m.b.add("Gather", {y, constant("value_int", int64_t{2})});
  m.b.output(y, "y");
  m.b.output(constant("value", floats({3}, 2)), "c");
  const Checked done = check(m.model);
  EXPECT_EQ(count(done.model, "Constant"), 1) << "a graph output stays a node";
  EXPECT_EQ(done.report.count("constants_to_initializers"), 5);
}

TEST(ConstantsToInitializers, WeightsInConstantNodesAreFused) {
  Build m;
  const auto weight = [&](Dims dims, uint64_t seed) {
    return m.b.add("Constant", {}, {{"value", floats(std::move(dims), seed, 0.5, 1)}});
  };
  const ir::ValueId y = m.b.add("Conv", {m.b.input("x", {1, 3, 4, 4}), weight({2, 3, 3, 3}, 1)});
  m.b.output(m.b.add("BatchNormalization",
                     {y, weight({2}, 2), weight({2}, 3), weight({2}, 4), weight({2}, 5)}),
             "y");
  EXPECT_EQ(check(m.model).model.graph.nodes.size(), 1U);
}

TEST(InitializersNotInputs, OldFilesListThem) {
  for (int64_t ir : {3, 4, 8}) {
    Build m(9);
    m.model.ir_version = ir;
    const ir::ValueId x = m.b.input("x", {1, 3, 4, 4});
    const ir::ValueId w = m.b.constant(floats({2, 3, 1, 1}, 1), "w"),
                      bias = m.b.constant(floats({2}, 1), "b");
    m.model.graph.inputs = {w, x, bias};
    m.b.output(m.b.add("Mul", {m.b.add("Conv", {x, w, bias}), m.b.constant(number(2))}), "y");
    const Checked done = check(m.model);
    EXPECT_EQ(done.model.graph.inputs.size(), 1U);
    EXPECT_GE(done.model.ir_version, 4);
    EXPECT_EQ(done.model.graph.nodes.size(), 1U);
  }
}

TEST(DedupConstants, EqualBytesOfOneTypeAndShape) {
  Build m;
  ir::ValueId y = m.b.input("x", {2, 3});
  const Tensor a = floats({3}, 1);
  for (const Tensor& t : {a, a, a.reshaped({1, 3}), tensor::cast(a, DType::kFloat16)})
    y = t.dtype() == DType::kFloat32 ? m.b.add("Max", {m.b.add("Neg", {y}), m.b.constant(t)}) : y;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int i = 0; i < 2; ++i)
    y = m.b.add("Max",
                {m.b.add("Neg", {y}), m.b.constant(Tensor::of<float>({3}, {nan, 1, -0.0F}))});
  y = m.b.add("Max", {m.b.add("Neg", {y}), m.b.constant(Tensor::of<float>({3}, {nan, 1, 0.0F}))});
  m.b.output(y, "y");
  EXPECT_EQ(check(m.model).report.count("dedup_constants"), 2);
}

// ---- fold_constants ----------------------------------------------------------------------------

TEST(FoldConstants, ChainsOfWeights) {
  Build m;
  const ir::ValueId w =
      m.b.add("Transpose", {m.b.constant(floats({4, 3}, 1))}, {{"perm", Ints{1, 0}}});
  const ir::ValueId scaled = m.b.add("Mul", {w, m.b.add("Exp", {m.b.constant(floats({4}, 2))})});
  m.b.output(m.b.add("MatMul", {m.b.input("x", {2, 5, 3}), scaled}), "y");
  m.b.output(m.b.add("Neg", {m.b.constant(floats({2}, 3))}), "c");
  const Checked done = check(m.model);
  EXPECT_EQ(done.report.count("fold_constants"), 4);
  EXPECT_EQ(done.model.graph.nodes.size(), 2U);
  EXPECT_EQ(count(done.model, "Constant"), 1) << "a graph output is made by a node";
}

TEST(FoldConstants, KeepsQuantizedWeightsAndRandomNumbers) {
  Build m;
  const ir::ValueId scale = m.b.constant(number(0.02)),
                    q = m.b.constant(floats({3, 4}, 1, -100, 100, DType::kInt8));
  const ir::ValueId w =
      m.b.add("DequantizeLinear", {q, scale, m.b.constant(number(0, DType::kInt8))});
  m.b.output(m.b.add("MatMul", {m.b.input("x", {2, 3}), w}), "y");
  EXPECT_EQ(count(check(m.model).model, "DequantizeLinear"), 1);
  Build r;
  r.b.add("RandomNormalLike", {r.b.constant(floats({3}, 1))});
  r.b.output(r.b.add("Exp", {r.b.input("x", {3})}), "y");
  r.b.output(r.b.add("RandomUniformLike", {r.b.constant(floats({3}, 1))}), "u");
  ir::Model model = r.model;
  simplify(model);
  EXPECT_EQ(count(model, "RandomUniformLike"), 1);
  EXPECT_EQ(model.graph.nodes.size(), 2U);
}

TEST(FoldConstants, WithinABudget) {
  for (uint64_t budget : {uint64_t{0}, uint64_t{4 * 4096}, uint64_t{1} << 20}) {
    Build m;
    const ir::ValueId small = m.b.constant(floats({1, 64}, 1));
    const ir::ValueId large = m.b.add("Expand", {small, m.b.constant(ints({64, 64}))});
    m.b.output(m.b.add("Add", {m.b.input("x", {64, 64}), large}), "y");
    const Checked done = check(m.model, {.folding_growth = budget});
    EXPECT_EQ(count(done.model, "Expand"), budget < 16 * 1024 - 256 ? 1 : 0) << budget;
    EXPECT_EQ(done.report.notes.empty(), budget > 0);
  }
}

TEST(FoldConstants, TheBudgetIsOneForAllNodes) {
  Build m;
  ir::ValueId y = m.b.input("x", {64, 64});
  for (uint64_t i = 0; i < 8; ++i) {
    const ir::ValueId row = m.b.constant(floats({1, 64}, i));
    y = m.b.add("Min", {y, m.b.add("Expand", {row, m.b.constant(ints({64, 64}))})});
  }
  m.b.output(y, "y");
  ir::Model model = m.model;
  simplify(model, {.folding_growth = 3 * 16384});
  EXPECT_EQ(count(model, "Expand"), 5);
}

TEST(FoldConstants, HugeResultsAreNotEvenTried) {
  Build m;
  const ir::ValueId zeros = m.b.add("ConstantOfShape", {m.b.constant(ints({1 << 20, 1 << 20}))});
  const ir::ValueId shape = m.b.add("Shape", {zeros});
  m.b.output(m.b.add("Cast", {shape}, {{"to", int64_t{1}}}), "s");
  m.b.output(m.b.add("Exp", {m.b.input("x", {2})}), "y");
  ir::Model model = m.model;
  simplify(model);
  EXPECT_EQ(count(model, "ConstantOfShape"), 0) << "only its shape was needed";
}

TEST(FoldConstants, ErrorsAreLeftToWhoeverRunsTheNode) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2});
  const ir::ValueId bad =
      m.b.add("Gather", {m.b.constant(floats({3}, 1)), m.b.constant(ints({7}))});
  m.b.output(m.b.add("Add", {x, bad}), "y");
  ir::Model model = m.model;
  const Report report = simplify(model);
  EXPECT_EQ(count(model, "Gather"), 1);
  EXPECT_FALSE(report.notes.empty());
}

TEST(FoldConstants, IntegersAndNanComeOutAsTheyAre) {
  Build m;
  const ir::ValueId big =
      m.b.constant(ints({std::numeric_limits<int64_t>::max() - 1, (int64_t{1} << 53) + 1}));
  m.b.output(m.b.add("Add", {m.b.input("x", {2}, DType::kInt64),
                             m.b.add("Neg", {m.b.add("Sub", {big, m.b.constant(ints({1}))})})}),
             "y");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  m.b.output(m.b.add("Max", {m.b.input("z", {2}),
                             m.b.add("Neg", {m.b.constant(Tensor::of<float>({2}, {nan, 1}))})}),
             "w");
  const Checked done = check(m.model, {}, {ints({0, 0}), floats({2}, 1)}, 0);
  EXPECT_EQ(done.model.graph.nodes.size(), 2U);
  const Tensor* folded = done.model.graph.constant(only(done.model, "Add").input(1));
  ASSERT_TRUE(folded);
  EXPECT_EQ(tensor::as_int64(*folded, 0), -(std::numeric_limits<int64_t>::max() - 2));
  EXPECT_EQ(tensor::as_int64(*folded, 1), -(int64_t{1} << 53));
}

// ---- shape arithmetic --------------------------------------------------------------------------

// Reshape(x, [Shape(x)[0], heads, -1 or a number]), as torch writes a view.
ir::Model view(ir::Shape shape, const Ints& rest) {
  Build m(13);
  const ir::ValueId x = m.b.input("x", std::move(shape));
  const auto axes = [&](ir::ValueId v) {
    return m.b.add("Unsqueeze", {v, m.b.constant(ints({0}))});
  };
  const ir::ValueId batch =
      axes(m.b.add("Gather", {m.b.add("Shape", {x}), m.b.constant(Tensor::scalar<int64_t>(0))}));
  Ids parts{batch};
  for (int64_t d : rest) parts.push_back(axes(m.b.constant(Tensor::scalar<int64_t>(d))));
  const ir::ValueId target = m.b.add("Concat", parts, {{"axis", int64_t{0}}});
  m.b.output(m.b.add("Reshape", {x, target}), "y");
  return m.model;
}

void expect_any_batch(const ir::Model& before, const ir::Model& after, int64_t width) {
  for (int64_t batch : {1, 2, 5}) {
    const std::vector<Tensor> x{floats({batch, width}, 3)};
    EXPECT_EQ(difference(run(after, x)[0], run(before, x)[0]), 0) << batch;
  }
}

TEST(Shapes, AStaticShapeIsANumber) {
  const Checked done = check(view({2, 12}, {3, -1}));
  EXPECT_EQ(done.model.graph.nodes.size(), 1U);
}

TEST(Shapes, ADynamicBatchStaysDynamic) {
  for (const Ints& rest : {Ints{3, 4}, Ints{3, -1}, Ints{12}, Ints{2, 2, 3}}) {
    const ir::Model model = view({"batch"s, 12}, rest);
    const Checked done = check(model);
    expect_any_batch(model, done.model, 12);
    if (rest.size() > 1) {
      ASSERT_EQ(done.model.graph.nodes.size(), 1U);
      const Tensor* target = done.model.graph.constant(done.model.graph.nodes[0].input(1));
      ASSERT_TRUE(target);
      EXPECT_LE(tensor::as_int64(*target, 0), 0) << "copied or what is left, but no number";
    }
  }
}

TEST(Shapes, TwoDynamicAxesOfABert) {
  Build m(13);
  const ir::ValueId x = m.b.input("x", {"batch"s, "seq"s, 12});
  const ir::ValueId shape = m.b.add("Shape", {x});
  const auto dim = [&](int64_t i) { return m.b.add("Gather", {shape, m.b.constant(ints({i}))}); };
  const ir::ValueId split =
      m.b.add("Concat", {dim(0), dim(1), m.b.constant(ints({3})), m.b.constant(ints({4}))},
              {{"axis", int64_t{0}}});
  const ir::ValueId heads =
      m.b.add("Transpose", {m.b.add("Reshape", {x, split})}, {{"perm", Ints{0, 2, 1, 3}}});
  const ir::ValueId back =
      m.b.add("Transpose", {m.b.add("Exp", {heads})}, {{"perm", Ints{0, 2, 1, 3}}});
  const ir::ValueId join =
      m.b.add("Concat", {dim(0), dim(1), m.b.constant(ints({12}))}, {{"axis", int64_t{0}}});
  m.b.output(m.b.add("Reshape", {back, join}), "y");
  const Checked done = check(m.model);
  EXPECT_EQ(count(done.model, "Shape"), 0) << ir::dump(done.model.graph);
  for (int64_t seq : {1, 7}) {
    const std::vector<Tensor> in{floats({3, seq, 12}, 4)};
    EXPECT_EQ(difference(run(done.model, in)[0], run(m.model, in)[0]), 0);
  }
}

TEST(Shapes, AProductOfDynamicAxesStays) {
  Build m(13);
  const ir::ValueId x = m.b.input("x", {"a"s, "b"s, "c"s});
  const ir::ValueId shape = m.b.add("Shape", {x});
  const auto dim = [&](int64_t i) { return m.b.add("Gather", {shape, m.b.constant(ints({i}))}); };
  const ir::ValueId target =
      m.b.add("Concat", {m.b.add("Mul", {dim(0), dim(1)}), dim(2)}, {{"axis", int64_t{0}}});
  m.b.output(m.b.add("Reshape", {x, target}), "y");
  // Swapped axes: neither is where it was.
  m.b.output(
      m.b.add("Reshape", {x, m.b.add("Concat", {dim(1), dim(0), dim(2)}, {{"axis", int64_t{0}}})}),
      "z");
  const Checked done = check(m.model, {}, {floats({2, 3, 4}, 1)});
  const std::vector<Tensor> in{floats({5, 1, 2}, 4)};
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(difference(run(done.model, in)[i], run(m.model, in)[i]), 0);
}

TEST(Shapes, UnnamedAxesAreNotTakenForEqual) {
  Build m(13);
  const ir::ValueId x = m.b.input("x", {ir::Dim(), 4}), z = m.b.input("z", {ir::Dim(), 4});
  m.b.output(m.b.add("Exp", {m.b.add("Expand", {x, m.b.add("Shape", {z})})}), "y");
  const Checked done = check(m.model, {}, {floats({1, 4}, 1), floats({3, 4}, 2)});
  EXPECT_EQ(count(done.model, "Expand"), 1);
}

TEST(Shapes, EmptyTensorsKeepTheirShape) {
  const ir::Model model = view({"batch"s, 12}, {3, 4});
  const Checked done = check(model);
  const std::vector<Tensor> none{Tensor::zeros(DType::kFloat32, {0, 12})};
  EXPECT_EQ(run(done.model, none)[0].dims(), run(model, none)[0].dims());
}

}  // namespace
}  // namespace tersor::passes::testing
