// Passes inside the bodies of If, Loop and Scan, and across their borders.
#include "passes/raise_opset.h"
#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;
using Ints = std::vector<int64_t>;

std::vector<std::vector<Tensor>> both_ways(const Tensor& x) {
  return {{x, Tensor::scalar(true)}, {x, Tensor::scalar(false)}};
}

// Inputs x [1, 3, 4, 4] and c; `fill` builds the branches' contents from the captured "t" =
// Relu(x).
template <typename F>
ir::Model if_model(F&& fill, int64_t opset = 17) {
  Build m(opset);
  const ir::ValueId x = m.b.input("x", {1, 3, 4, 4}), c = m.b.input("c", {}, DType::kBool);
  m.b.constant(floats({3, 3, 1, 1}, 1), "outer_w");
  const ir::ValueId t = m.b.add("Identity", {m.b.add("Relu", {x})});
  m.model.graph.values[t].name = "t";
  const auto branch = [&](const std::string& name, uint64_t seed) {
    return body(name,
                [&](GraphBuilder& b) { b.output(fill(b, b.capture("t"), seed), name + "_y"); });
  };
  m.b.output(
      m.b.add("If", {c}, {{"then_branch", branch("then", 5)}, {"else_branch", branch("else", 50)}}),
      "y");
  return m.model;
}

Checked check_both(const ir::Model& model, const Options& options = {}) {
  Checked done;
  for (const auto& inputs : both_ways(floats({1, 3, 4, 4}, 9)))
    done = check(model, options, inputs);
  return done;
}

TEST(Subgraphs, BatchNormsInBranchesAreFused) {
  for (bool outer_weight : {false, true}) {
    const ir::Model model = if_model([&](GraphBuilder& b, ir::ValueId t, uint64_t seed) {
      const ir::ValueId w =
          outer_weight ? b.capture("outer_w") : b.constant(floats({3, 3, 1, 1}, seed));
      Ids inputs{b.add("Conv", {t, w})};
      for (uint64_t i = 1; i < 5; ++i) inputs.push_back(b.constant(floats({3}, seed + i, 0.5, 1)));
      return b.add("BatchNormalization", inputs);
    });
    const Checked done = check_both(model);
    EXPECT_EQ(done.report.count("fuse_batchnorm"), 2);
    EXPECT_EQ(count(done.model, "BatchNormalization"), 0);
    EXPECT_EQ(count(done.model, "Identity"), 0);
    EXPECT_EQ(done.model.graph.find("outer_w"), ir::kNone) << "nobody reads it any more";
  }
}

TEST(Subgraphs, ABranchThatOnlyPassesAnOuterValue) {
  const ir::Model model = if_model([](GraphBuilder& b, ir::ValueId t, uint64_t seed) {
    return seed == 5 ? b.add("Identity", {t}) : b.add("Neg", {b.add("Identity", {t})});
  });
  const Checked done = check_both(model);
  EXPECT_EQ(count(done.model, "Identity"), 1) << "an output of a branch is made by a node of it";
}

TEST(Subgraphs, ConstantsOfOuterGraphsAreFolded) {
  const ir::Model model = if_model([](GraphBuilder& b, ir::ValueId t, uint64_t seed) {
    const ir::ValueId w = b.add("Transpose", {b.capture("outer_w")}, {{"perm", Ints{1, 0, 2, 3}}});
    const ir::ValueId k = b.add("Constant", {}, {{"value", floats({3}, seed)}});
    return b.add("Conv", {t, w, b.add("Neg", {k})});
  });
  const Checked done = check_both(model);
  EXPECT_EQ(count(done.model, "Transpose"), 0);
  EXPECT_EQ(count(done.model, "Neg"), 0);
}

TEST(Subgraphs, FormulasWithKnownTypesAreRecognised) {
  const ir::Model model = if_model([](GraphBuilder& b, ir::ValueId t, uint64_t) {
    const ir::ValueId gate = b.add("Clip", {b.add("Add", {t, b.constant(number(3))}),
                                            b.constant(number(0)), b.constant(number(6))});
    return b.add("Div", {b.add("Mul", {t, gate}), b.constant(number(6))});
  });
  EXPECT_EQ(count(check_both(model).model, "HardSwish"), 2);
  const ir::Model rows = if_model(
      [](GraphBuilder& b, ir::ValueId t, uint64_t) {
        const ir::ValueId d = b.add(
            "Sub",
            {b.add("Neg", {t}), b.add("ReduceMean", {b.add("Neg", {t})}, {{"axes", Ints{-1}}})});
        const ir::ValueId variance =
            b.add("ReduceMean", {b.add("Mul", {d, d})}, {{"axes", Ints{-1}}});
        return b.add("Div",
                     {d, b.add("Sqrt", {b.add("Add", {variance, b.constant(number(1e-5))})})});
      },
      13);
  EXPECT_EQ(count(check_both(rows).model, "LayerNormalization"), 2);
}

TEST(Subgraphs, NestedCapturesAreRenamed) {
  const ir::Model model = if_model([](GraphBuilder& b, ir::ValueId t, uint64_t seed) {
    const ir::ValueId c = b.constant(Tensor::scalar(seed == 5), "inner_c" + std::to_string(seed));
    const ir::ValueId u = b.add("Identity", {b.add("Neg", {t})});
    const std::string name = "u" + std::to_string(seed);
    b.graph().values[u].name = name;
    const auto inner = [&](const char* op) {
      return body("inner_"s + op + std::to_string(seed), [&](GraphBuilder& i) {
        i.output(i.add("Add", {i.add(op, {i.capture(name)}), i.capture("t")}),
                 "o_" + i.graph().name);
      });
    };
    return b.add("If", {c}, {{"then_branch", inner("Exp")}, {"else_branch", inner("Abs")}});
  });
  EXPECT_EQ(count(check_both(model).model, "Identity"), 0);
}

TEST(Subgraphs, LoopBodies) {
  Build m(13);
  const ir::ValueId x = m.b.input("x", {2, 3});
  const ir::ValueId trips = m.b.constant(Tensor::scalar<int64_t>(3)),
                    go = m.b.constant(Tensor::scalar(true));
  m.b.constant(floats({3}, 4), "k");
  const auto loop = body("loop", [&](GraphBuilder& b) {
    b.input("i", {}, DType::kInt64);
    const ir::ValueId c = b.input("cond", {}, DType::kBool), s = b.input("s", {2, 3});
    const ir::ValueId sum = b.add("Add", {b.add("Identity", {s}), b.add("Neg", {b.capture("k")})});
    b.output(b.add("Identity", {c}), "cond_out");
    b.output(b.add("Identity", {sum}), "s_out");
    b.output(b.add("Identity", {sum}), "scan");
  });
  const Ids out = m.b.add_many("Loop", {trips, go, x}, 2, {{"body", loop}});
  m.b.output(out[0], "y");
  m.b.output(out[1], "all");
  const Checked done = check(m.model);
  EXPECT_EQ(count(done.model, "Neg"), 0);
  EXPECT_GE(count(done.model, "Identity"), 1);
}

TEST(Subgraphs, AreRaisedWithTheirModel) {
  const ir::Model model = if_model(
      [](GraphBuilder& b, ir::ValueId t, uint64_t) {
        ir::ValueId y = b.add(
            "Unsqueeze", {b.add("Clip", {b.add("Neg", {t})}, {{"min", -0.9F}, {"max", -0.1F}})},
            {{"axes", Ints{0}}});
        y = b.add("Softmax", {b.add("Squeeze", {y}, {{"axes", Ints{0}}})}, {{"axis", int64_t{1}}});
        return b.add("ReduceMean", {y}, {{"axes", Ints{2}}});
      },
      9);
  for (int64_t version : {11, 13, 18, 28}) {
    ir::Model raised = model;
    const Raised result = raise_opset(raised, version);
    ASSERT_TRUE(result.done) << result.reason;
    for (const auto& inputs : both_ways(floats({1, 3, 4, 4}, 9)))
      EXPECT_EQ(difference(run(raised, inputs)[0], run(model, inputs)[0]), 0);
    check(raised, {}, both_ways(floats({1, 3, 4, 4}, 9))[0]);
  }
}

}  // namespace
}  // namespace tersor::passes::testing
