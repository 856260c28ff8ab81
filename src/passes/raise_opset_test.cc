// Every change of form: one node at the old opset, the same results at the newest.
#include "passes/raise_opset.h"

#include "base/error.h"
#include "passes/opset_conversions.h"
#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;
using Ints = std::vector<int64_t>;

struct Case {
  const char* op;
  int64_t opset;
  ir::Shape shape;
  std::vector<Tensor> extra = {};
  Attributes attributes = {};
  size_t outputs = 1;
};

ir::Model model_of(const Case& c) {
  Build m(c.opset);
  Ids inputs{m.b.input("x", c.shape)};
  for (const Tensor& t : c.extra) inputs.push_back(t.defined() ? m.b.constant(t) : ir::kNone);
  const Ids out = m.b.add_many(c.op, inputs, c.outputs, c.attributes);
  for (size_t i = 0; i < out.size(); ++i) m.b.output(out[i], "y" + std::to_string(i));
  return m.model;
}

const ir::Shape kImage{1, 4, 6, 6};
Tensor four(std::initializer_list<float> v) { return Tensor::of<float>({4}, v); }

std::vector<Case> cases() {
  std::vector<Case> list = {
      {"Clip", 7, kImage, {}, {{"min", -0.5F}, {"max", 0.25F}}},
      {"Clip", 7, kImage, {}, {{"max", 0.25F}}},
      {"Clip", 10, kImage, {}, {}},
      {"Dropout", 7, kImage},
      {"Dropout", 10, kImage, {}, {{"ratio", 0.3F}}},
      {"BatchNormalization",
       8,
       kImage,
       {floats({4}, 1), floats({4}, 2), floats({4}, 3), floats({4}, 4, 0.5, 1)},
       {{"spatial", int64_t{1}}}},
      {"GroupNormalization",
       18,
       kImage,
       {floats({2}, 1), floats({2}, 2)},
       {{"num_groups", int64_t{2}}}},
      {"Pad", 9, kImage, {}, {{"pads", Ints{0, 0, 1, 1, 0, 0, 2, 0}}, {"value", 1.5F}}},
      {"Pad", 9, kImage, {}, {{"pads", Ints{0, 0, 1, 1, 0, 0, 2, 0}}, {"mode", "reflect"s}}},
      {"Slice",
       7,
       kImage,
       {},
       {{"starts", Ints{1, -2}}, {"ends", Ints{3, 100}}, {"axes", Ints{1, 3}}}},
      {"Slice", 9, kImage, {}, {{"starts", Ints{0, 1}}, {"ends", Ints{1, 2}}}},
      {"Split", 11, kImage, {}, {{"axis", int64_t{1}}, {"split", Ints{1, 3}}}, 2},
      {"Split", 11, kImage, {}, {{"axis", int64_t{1}}}, 2},
      {"Split", 13, kImage, {}, {{"axis", int64_t{3}}}, 3},
      {"Squeeze", 11, {1, 4, 1, 6}, {}, {{"axes", Ints{0, 2}}}},
      {"Squeeze", 11, {1, 4, 1, 6}},
      {"Unsqueeze", 11, {4, 6}, {}, {{"axes", Ints{0, -1}}}},
      {"TopK", 9, {3, 7}, {}, {{"k", int64_t{2}}, {"axis", int64_t{-1}}}, 2},
      {"Upsample", 7, kImage, {}, {{"scales", std::vector<float>{1, 1, 2, 3}}}},
      {"Upsample", 9, kImage, {four({1, 1, 2, 2})}, {{"mode", "nearest"s}}},
      {"Upsample", 9, kImage, {four({1, 1, 2, 1.5F})}, {{"mode", "linear"s}}},
      {"Resize", 10, kImage, {four({1, 1, 2, 2})}},
      {"Resize", 10, kImage, {four({1, 1, 0.5F, 2})}, {{"mode", "linear"s}}},
      {"Resize", 11, kImage, {floats({0}, 1), four({1, 1, 2, 2})}, {{"mode", "cubic"s}}},
      {"Resize",
       13,
       kImage,
       {floats({0}, 1), floats({0}, 1), ints({1, 4, 9, 3})},
       {{"mode", "linear"s}}},
      {"Scatter",
       10,
       {3, 4},
       {Tensor::of<int64_t>({1, 2}, {0, 2}), floats({1, 2}, 3)},
       {{"axis", int64_t{1}}}},
      {"DFT", 17, {1, 8, 1}, {}, {{"axis", int64_t{1}}}},
      {"GridSample", 16, {1, 2, 4, 4}, {floats({1, 3, 3, 2}, 1)}, {{"mode", "bilinear"s}}},
      {"RoiAlign",
       10,
       {1, 2, 8, 8},
       {Tensor::of<float>({1, 4}, {1, 1, 6, 6}), ints({0})},
       {{"output_height", int64_t{2}}, {"output_width", int64_t{2}}}},
  };
  for (const char* op : {"Softmax", "LogSoftmax", "Hardmax"})
    for (int64_t axis : {0, 1, 2, 3}) list.push_back({op, 11, {2, 3, 4, 5}, {}, {{"axis", axis}}});
  list.push_back({"Softmax", 11, {"n"s, 3, 1, 1}, {}, {{"axis", int64_t{1}}}});
  list.push_back({"Softmax", 11, {"n"s, "m"s, 3}, {}, {{"axis", int64_t{-2}}}});
  list.push_back({"Softmax", 9, {2, 5}});
  for (const char* op : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
                         "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"}) {
    list.push_back({op, 9, {2, 3, 4}, {}, {{"axes", Ints{0, 2}}, {"keepdims", int64_t{0}}}});
    list.push_back({op, 11, {2, 3, 4}});
  }
  return list;
}

TEST(RaiseOpset, EveryChangeOfFormKeepsTheResults) {
  std::set<std::string> seen, not_run;
  const std::vector<Case> all = cases();
  for (size_t i = 0; i < all.size(); ++i) {
    const Case& c = all[i];
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.op));
    seen.insert(c.op);
    const ir::Model model = model_of(c);
    std::vector<Tensor> inputs;
    for (const Tensor& t : make_inputs(model)) {
      const bool positive = c.op == "ReduceLogSum"s;
      inputs.push_back(positive ? floats(t.dims(), 1, 0.5, 2) : t);
    }
    for (int64_t version :
         {int64_t{10}, int64_t{11}, int64_t{13}, int64_t{17}, int64_t{18}, kNewestOpset}) {
      if (version <= c.opset) continue;
      ir::Model raised = model;
      const Raised result = raise_opset(raised, version);
      ASSERT_TRUE(result.done) << result.reason;
      ir::verify(raised);
      EXPECT_EQ(raised.opset(), version);
      try {
        const std::vector<Tensor> want = run(model, inputs), got = run(raised, inputs);
        ASSERT_EQ(want.size(), got.size());
        for (size_t k = 0; k < want.size(); ++k) {
          EXPECT_LE(difference(got[k], want[k]), 1e-6) << "to " << version << "\n"
                                                       << ir::dump(raised.graph);
        }
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kUnsupported) throw;
        not_run.insert(c.op);
      }
    }
  }
  for (const Conversion& row : conversions())
    EXPECT_TRUE(seen.contains(row.op) || row.op == "Scan"s) << row.op << " is not tried";
  for (const std::string& op : not_run) RecordProperty("not run: " + op, 1);
}

// Where it shrinks, the nearest of Resize 10 is the element behind: 1 / 0.34 = 2.94 takes
// element 3.
TEST(RaiseOpset, OldNearestResizeTakesTheCeilingWhereItShrinks) {
  ir::Model model = model_of({"Resize", 10, {1, 1, 6, 6}, {four({1, 1, 0.5F, 0.34F})}});
  ASSERT_TRUE(raise_opset(model, 13).done);
  std::vector<float> x(36);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const std::vector<Tensor> in{Tensor::of<float>({1, 1, 6, 6}, std::span<const float>(x))};
  EXPECT_EQ(difference(run(model, in)[0], Tensor::of<float>({1, 1, 3, 2}, {0, 3, 12, 15, 24, 27})),
            0);
}

TEST(RaiseOpset, RefusesAndLeavesTheModel) {
  const std::vector<Case> refused = {
      {"Dropout", 9, kImage, {}, {}, 2},  // its mask is read
      {"BatchNormalization",
       8,
       kImage,
       {floats({4}, 1), floats({4}, 2), floats({4}, 3), floats({4}, 4)},
       {{"spatial", int64_t{0}}}},
      {"Resize", 10, kImage, {four({1, 1, 0.5F, 2})}},  // down and up
      {"Resize",
       11,
       kImage,
       {floats({0}, 1), four({1, 1, 2, 2})},
       {{"coordinate_transformation_mode", "tf_half_pixel_for_nn"s}}},
      {"NoSuchOperator", 11, kImage},
      {"Scan", 8, kImage},
      {"Upsample", 7, kImage},
  };
  for (const Case& c : refused) {
    SCOPED_TRACE(c.op);
    const ir::Model model = model_of(c);
    ir::Model raised = model;
    const Raised result = raise_opset(raised, 17);
    EXPECT_FALSE(result.done);
    EXPECT_NE(result.reason.find(c.op), std::string::npos) << result.reason;
    EXPECT_EQ(ir::dump(raised.graph), ir::dump(model.graph));
    EXPECT_EQ(raised.opset(), c.opset);
    // As a part of simplification it is a note.
    ir::Model simple = model;
    if (c.op == "NoSuchOperator"s) {
      const Report report = simplify(simple, {.min_opset = 13});
      EXPECT_EQ(report.notes.size(), 1U);
      EXPECT_EQ(report.steps, 0);
    }
  }
  ir::Model model = model_of({"Relu", 13, kImage});
  EXPECT_FALSE(raise_opset(model, kNewestOpset + 1).done);
  EXPECT_TRUE(raise_opset(model, 13).done);
  EXPECT_TRUE(raise_opset(model, 9).done);
  EXPECT_EQ(model.opset(), 13);
}

TEST(RaiseOpset, OldFilesGetANewIrVersionAndNoWeightsAmongTheInputs) {
  Build m(8);
  m.model.ir_version = 3;
  const ir::ValueId x = m.b.input("x", {2, 4}), w = m.b.constant(floats({4, 3}, 1), "w");
  m.model.graph.inputs.push_back(w);
  m.b.output(m.b.add("Clip", {m.b.add("MatMul", {x, w})}, {{"min", 0.0F}}), "y");
  ASSERT_TRUE(raise_opset(m.model, 13).done);
  EXPECT_GE(m.model.ir_version, ir_version_for(13));
  EXPECT_EQ(m.model.graph.inputs.size(), 1U);
}

TEST(RaiseOpset, NodesOfOtherDomainsStay) {
  Build m(11);
  m.model.opsets["com.example"] = 1;
  m.b.output(m.b.add("Clip", {m.b.input("x", {3})}), "y");
  m.model.graph.nodes.back().domain = "com.example";
  EXPECT_TRUE(raise_opset(m.model, 17).done);
  EXPECT_EQ(only(m.model, "Clip").inputs.size(), 1U);
}

}  // namespace
}  // namespace tersor::passes::testing
