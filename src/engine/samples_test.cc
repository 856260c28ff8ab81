// Batches in pieces: which models allow them, and that they change nothing.
#include "engine/lower/samples.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/session.h"
#include "ops/testing_graph.h"

namespace tersor::engine {
namespace {

using ops::testing::Builder;
using ops::testing::random_tensor;
using ops::testing::residual_model;

int64_t least(const ir::Model& model) { return piece_sizes(model).least; }

TEST(Samples, OfAnImageClassifierAreIndependent) { EXPECT_GT(least(residual_model()), 0); }

// x [N, 4] -> y, by one node with these inputs behind x.
ir::Model one_node(const std::string& op, const std::string& attribute, int64_t value,
                   std::vector<Dims> weights = {}, int64_t opset = 17) {
  Builder b(opset);
  std::vector<ir::ValueId> in{b.input("x", {ir::Dim("N"), 4})};
  for (size_t i = 0; i < weights.size(); ++i)
    in.push_back(b.weight("w" + std::to_string(i), weights[i]));
  const auto y = b.op(op, in, "y");
  if (!attribute.empty()) b.last().set(attribute, value);
  // A product, so that there is work to divide.
  return b.finish({b.op("MatMul", {y, b.weight("m", {4, 4})}, "z")});
}

TEST(Samples, AlongAxesBehindTheFirst) {
  EXPECT_GT(least(one_node("Softmax", "axis", -1)), 0);
  EXPECT_GT(least(one_node("Softmax", "axis", 1)), 0);
  EXPECT_EQ(least(one_node("Softmax", "axis", 0)), 0);
  EXPECT_EQ(least(one_node("Softmax", "axis", -2)), 0);
  EXPECT_EQ(least(one_node("CumSum", "", 0)), 0);
}

TEST(Samples, OperandsThatAreBroadcast) {
  EXPECT_GT(least(one_node("Add", "", 0, {{4}})), 0);
  EXPECT_GT(least(one_node("Add", "", 0, {{1, 4}})), 0);
  EXPECT_EQ(least(one_node("Add", "", 0, {{3, 4}})), 0);
}

TEST(Samples, ThatMeetOthers) {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 4});
  const auto turned = b.op("Transpose", {x}, "t");
  b.last().set("perm", std::vector<int64_t>{1, 0});
  EXPECT_EQ(least(b.finish({b.op("MatMul", {x, turned}, "y")})), 0);

  Builder mean;
  const auto in = mean.input("x", {ir::Dim("N"), 4});
  const auto m = mean.op("ReduceMean", {in}, "m");
  mean.last().set("axes", std::vector<int64_t>{0});
  EXPECT_EQ(least(mean.finish({mean.op("Sub", {in, m}, "y")})), 0);
}

TEST(Samples, NeedOneSymbolicBatch) {
  Builder fixed;
  const auto x = fixed.input("x", {4, 4});
  EXPECT_EQ(least(fixed.finish({fixed.op("MatMul", {x, fixed.weight("w", {4, 4})}, "y")})), 0);
  Builder two;
  const auto a = two.input("a", {ir::Dim("N"), 4}), b = two.input("b", {ir::Dim("M"), 4});
  EXPECT_EQ(least(two.finish({two.op("Add", {a, b}, "y")})), 0);
}

// A network whose pieces are single samples: 60 million products each.
ir::Model deep_model() {
  Builder b;
  auto x = b.input("x", {ir::Dim("N"), 16, 96, 96});
  for (int i = 0; i < 3; ++i)
    x = b.op("Relu", {b.conv(x, 16, 16, "c" + std::to_string(i))}, "r" + std::to_string(i));
  return b.finish({b.op("GlobalAveragePool", {x}, "y")});
}

TEST(Samples, PiecesEqualSingleRuns) {
  const ir::Model model = deep_model();
  ASSERT_EQ(piece_sizes(model).best, 1);
  for (int threads : {1, 2, 3})
    for (int64_t batch : {1, 2, 5, 7}) {
      const Session session(compile(model), {.threads = threads});
      const std::vector<Tensor> in{random_tensor({batch, 16, 96, 96}, 3)};
      const Tensor all = session.run(in)[0];
      ASSERT_EQ(all.dims(), (Dims{batch, 16, 1, 1}));
      for (int64_t i = 0; i < batch; ++i) {
        const size_t bytes = in[0].bytes() / static_cast<size_t>(batch);
        const std::vector<Tensor> one{Tensor(DType::kFloat32, {1, 16, 96, 96}, in[0].buffer(),
                                             static_cast<size_t>(i) * bytes)};
        const Tensor alone = session.run(one)[0];
        EXPECT_EQ(std::memcmp(alone.raw(), all.raw() + static_cast<size_t>(i) * alone.bytes(),
                              alone.bytes()),
                  0)
            << threads << " " << batch << " " << i;
      }
    }
}

TEST(Samples, AnErrorInAPieceIsTheError) {
  const Session session(compile(deep_model()), {.threads = 2, .max_memory = 1 << 16});
  const std::vector<Tensor> in{random_tensor({4, 16, 96, 96}, 3)};
  try {
    session.run(in);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("memory limit"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace tersor::engine
