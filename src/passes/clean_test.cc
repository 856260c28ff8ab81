// What goes: nodes that do nothing, that nobody reads, that are there twice.
#include <limits>

#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;
using Ints = std::vector<int64_t>;

// A model with one node of the operator between two Neg; `extra` are further inputs.
struct Case {
  const char* op;
  std::vector<Tensor> extra = {};
  Attributes attributes = {};
  bool goes = true;
  ir::Shape shape = {"n"s, 3, 4};
  int64_t opset = 17;
  bool first = false;  // x comes behind the others
};

ir::Model surrounded(const Case& c, bool output) {
  Build m(c.opset);
  const ir::ValueId x = m.b.add("Neg", {m.b.input("x", c.shape)});
  Ids inputs{x};
  for (const Tensor& t : c.extra) inputs.push_back(t.defined() ? m.b.constant(t) : ir::kNone);
  if (c.first) std::swap(inputs[0], inputs[1]);
  const ir::ValueId y = m.b.add(c.op, inputs, c.attributes);
  m.b.output(output ? y : m.b.add("Exp", {y}), "y");
  return m.model;
}

TEST(RemoveNoops, RowsOfTheTable) {
  const Tensor ones = Tensor::of<float>({3, 1}, {1, 1, 1}), large = floats({2, 1, 3, 4}, 1, 1, 1);
  const std::vector<Case> cases = {
      {"Identity"},
      {"Dropout"},
      {"Dropout", {number(0.5), Tensor::scalar(false)}},
      {"Cast", {}, {{"to", int64_t{1}}}},
      {"Cast", {}, {{"to", int64_t{11}}}, false},
      {"CastLike", {number(1)}},
      {"Reshape", {ints({0, 3, 4})}},
      {"Reshape", {ints({0, 4, 3})}, {}, false},
      {"Reshape", {ints({-1, 3, 4})}},
      {"Flatten", {}, {}, true, {2, 3}},
      {"Flatten", {}, {}, false},
      {"Expand", {ints({1, 3, 4})}},
      {"Expand", {ints({5, 1, 3, 4})}, {}, false},
      {"Tile", {ints({1, 1, 1})}},
      {"Tile", {ints({1, 2, 1})}, {}, false},
      {"Transpose", {}, {{"perm", Ints{0, 1, 2}}}},
      {"Transpose", {}, {{"perm", Ints{0, 2, 1}}}, false},
      {"Transpose", {}, {}, false},
      {"Transpose", {}, {}, true, {5}},
      {"Add", {number(0)}},
      {"Add", {number(0)}, {}, true, {"n"s, 3, 4}, 17, true},
      {"Add", {Tensor::zeros(DType::kFloat32, {3, 4})}},
      {"Add", {Tensor::zeros(DType::kFloat32, {1, 1, 3, 4})}, {}, false},
      {"Add", {Tensor::zeros(DType::kFloat32, {5, 3, 4})}, {}, false, {1, 3, 4}},
      {"Mul", {ones}},
      {"Mul", {large}, {}, false},
      {"Sub", {number(0)}},
      {"Sub", {number(0)}, {}, false, {"n"s, 3, 4}, 17, true},
      {"Div", {number(1)}},
      {"Div", {number(1)}, {}, false, {"n"s, 3, 4}, 17, true},
      {"Pad", {ints({0, 0, 0, 0, 0, 0})}},
      {"Pad", {ints({0, 0, 1, 0, 0, 0})}, {}, false},
      {"Pad", {}, {{"pads", Ints{0, 0, 0, 0, 0, 0}}}, true, {"n"s, 3, 4}, 9},
      {"Slice", {ints({0}), ints({std::numeric_limits<int64_t>::max()}), ints({0})}},
      {"Slice", {ints({0}), ints({3}), ints({1})}},
      {"Slice", {ints({0}), ints({1}), ints({0})}, {}, false},
      {"Slice",
       {ints({-1}), ints({std::numeric_limits<int64_t>::min()}), ints({1}), ints({-1})},
       {},
       false},
      {"Slice", {}, {{"starts", Ints{0}}, {"ends", Ints{2147483647}}}, true, {"n"s, 3, 4}, 9},
      {"Split", {}, {{"axis", int64_t{1}}}},
      {"Concat", {}, {{"axis", int64_t{1}}}},
      {"Sum"},
      {"Max"},
      {"Min"},
      {"Mean"},
      {"Clip"},
      {"Clip", {number(-1)}, {}, false},
      {"Clip", {Tensor(), number(1)}, {}, false},
      {"Clip", {}, {{"max", 1.0F}}, false, {"n"s, 3, 4}, 9},
  };
  for (size_t i = 0; i < cases.size(); ++i)
    for (bool output : {false, true}) {
      SCOPED_TRACE(fmt::format("row {}: {}", i, cases[i].op));
      const Checked done = check(surrounded(cases[i], output));
      EXPECT_EQ(count(done.model, cases[i].op), cases[i].goes ? 0 : 1)
          << ir::dump(done.model.graph);
    }
}

TEST(RemoveNoops, AnInputThatIsAnOutputStaysANode) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2, 3});
  m.b.output(m.b.add("Identity", {x}), "y");
  m.b.output(m.b.add("Identity", {x}), "z");
  EXPECT_EQ(count(check(m.model).model, "Identity"), 2);
}

TEST(RemoveNoops, OneValueUnderTwoPublicNames) {
  Build m;
  const ir::ValueId r = m.b.add("Relu", {m.b.input("x", {2, 3})});
  m.b.output(m.b.add("Identity", {r}), "y");
  m.b.output(m.b.add("Identity", {r}), "z");
  m.b.output(m.b.add("Exp", {r}), "e");
  EXPECT_EQ(count(check(m.model).model, "Identity"), 1);
}

TEST(RemoveNoops, ViewsBackAndForth) {
  Build m;
  const ir::ValueId x = m.b.input("x", {"n"s, 4});
  const ir::ValueId up = m.b.add("Unsqueeze", {m.b.add("Neg", {x}), m.b.constant(ints({2}))});
  const ir::ValueId flat = m.b.add("Reshape", {up, m.b.constant(ints({0, 2, 2}))});
  m.b.output(m.b.add("Exp", {m.b.add("Reshape", {flat, m.b.constant(ints({0, 4}))})}), "y");
  EXPECT_EQ(check(m.model).model.graph.nodes.size(), 2U);
}

TEST(RemoveNoops, ReluOfRelu) {
  Build m;
  m.b.output(m.b.add("Relu", {m.b.add("Relu", {m.b.add("Relu", {m.b.input("x", {2, 3})})})}), "y");
  EXPECT_EQ(count(check(m.model).model, "Relu"), 1);
}

TEST(MergeTransposes, ComposeAndCancel) {
  for (bool cancel : {false, true}) {
    Build m;
    ir::ValueId y = m.b.add("Neg", {m.b.input("x", {2, 3, 4, 5})});
    y = m.b.add("Transpose", {y}, {{"perm", Ints{0, 2, 3, 1}}});
    if (!cancel) m.b.output(m.b.add("Relu", {y}), "r");
    y = m.b.add("Transpose", {y}, {{"perm", cancel ? Ints{0, 3, 1, 2} : Ints{3, 2, 0, 1}}});
    m.b.output(m.b.add("Exp", {y}), "y");
    const Checked done = check(m.model);
    EXPECT_EQ(count(done.model, "Transpose"), cancel ? 0 : 2);
    EXPECT_EQ(done.report.count("merge_transposes"), 1);
  }
}

TEST(MergeDuplicates, EqualNodesAreOne) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2, 3});
  const auto leaky = [&](float alpha) { return m.b.add("LeakyRelu", {x}, {{"alpha", alpha}}); };
  m.b.output(m.b.add("Add", {leaky(0.1F), leaky(0.1F)}), "y");
  m.b.output(m.b.add("Mul", {leaky(0.2F), leaky(0.1F)}), "z");
  EXPECT_EQ(count(check(m.model).model, "LeakyRelu"), 2);
}

TEST(MergeDuplicates, PublicNamesAreKept) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2, 3});
  m.b.output(m.b.add("Relu", {x}), "y");
  m.b.output(m.b.add("Relu", {x}), "z");
  m.b.output(m.b.add("Exp", {m.b.add("Relu", {x})}), "e");
  EXPECT_EQ(count(check(m.model).model, "Relu"), 2);
}

TEST(MergeDuplicates, RandomNumbersAndQuantizationStay) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2, 3}), scale = m.b.constant(number(0.1)),
                    zero = m.b.constant(number(3, DType::kUint8));
  const auto pair = [&] {
    return m.b.add("DequantizeLinear", {m.b.add("QuantizeLinear", {x, scale, zero}), scale, zero});
  };
  m.b.output(m.b.add("Relu", {pair()}), "y");
  m.b.output(m.b.add("Exp", {pair()}), "z");
  const Checked done = check(m.model);
  EXPECT_EQ(count(done.model, "QuantizeLinear"), 2);
  EXPECT_EQ(count(done.model, "DequantizeLinear"), 2);
}

TEST(DeadCode, ChainsAndSecondOutputs) {
  Build m;
  const ir::ValueId x = m.b.input("x", {1, 2, 4, 4});
  m.b.add("Exp", {m.b.add("Neg", {x})});
  const Ids pool = m.b.add_many("MaxPool", {x}, 2, {{"kernel_shape", Ints{2, 2}}});
  m.b.add("Abs", {pool[1]});
  m.b.output(pool[0], "y");
  const Checked done = check(m.model);
  EXPECT_EQ(done.model.graph.nodes.size(), 1U);
  EXPECT_EQ(only(done.model, "MaxPool").outputs.size(), 1U);
}

TEST(DeadCode, WhatABodyReadsLives) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2, 3}), c = m.b.input("c", {}, DType::kBool);
  const ir::ValueId n = m.b.add("Neg", {x});
  m.model.graph.values[n].name = "n";
  m.b.add("Exp", {x});
  const auto branch = [&](const char* op) {
    return body(op, [&](GraphBuilder& b) { b.output(b.add(op, {b.capture("n")}), "o_"s + op); });
  };
  m.b.output(m.b.add("If", {c}, {{"then_branch", branch("Relu")}, {"else_branch", branch("Abs")}}),
             "y");
  const Checked done = check(m.model);
  EXPECT_EQ(count(done.model, "Neg"), 1);
  EXPECT_EQ(count(done.model, "Exp"), 0);
}

TEST(Simplify, PassesCanBeSwitchedOffAndRunAlone) {
  Build m;
  const ir::ValueId x = m.b.input("x", {2, 3});
  m.b.output(m.b.add("Exp", {m.b.add("Identity", {m.b.add("Relu", {m.b.add("Relu", {x})})})}), "y");
  EXPECT_EQ(check(m.model, {.disabled = {"remove_noops"}}).model.graph.nodes.size(), 4U);
  ir::Model alone = m.model;
  EXPECT_EQ(run_pass(alone, "dead_code").steps, 0);
  EXPECT_EQ(run_pass(alone, "remove_noops").steps, 2);
  EXPECT_THROW(run_pass(alone, "no_such_pass"), Error);
  for (int64_t limit = 0; limit < 4; ++limit) {
    const Checked done = check(m.model, {.step_limit = limit});
    EXPECT_EQ(done.model.graph.nodes.size(), static_cast<size_t>(std::max<int64_t>(2, 4 - limit)));
    EXPECT_EQ(done.report.stopped, limit < 2);
  }
}

}  // namespace
}  // namespace tersor::passes::testing
