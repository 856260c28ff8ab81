// Symbolic shapes survive the arithmetic that exporters write around Reshape and Expand.
#include <gtest/gtest.h>

#include "ops/detail/testing.h"

namespace tersor::ops::testing {
namespace {

const ir::Shape kTokens = {ir::Dim("batch"), ir::Dim("seq"), ir::Dim(768)};

TEST(ShapeArithmetic, SplitsAndMergesHeads) {
  Builder b(13);
  const auto x = b.input("x", DType::kFloat32, kTokens);
  const auto shape = b.op("Shape", {x});
  const auto batch = b.op("Unsqueeze", {b.op("Gather", {shape, b.scalar(0)}), b.longs({0})});
  const auto seq = b.op("Unsqueeze", {b.op("Gather", {shape, b.scalar(1)}), b.longs({0})});
  const auto split =
      b.op("Concat", {batch, seq, b.longs({12}), b.longs({-1})}, {{"axis", int64_t{0}}});
  const auto heads = b.op("Reshape", {x, split});
  EXPECT_EQ(b.shape(heads), "[batch, seq, 12, 64]");
  const auto turned = b.op("Transpose", {heads}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  EXPECT_EQ(b.shape(turned), "[batch, 12, seq, 64]");
  const auto back = b.op("Transpose", {turned}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  EXPECT_EQ(b.shape(b.op("Reshape", {back, b.longs({0, 0, -1})})), "[batch, seq, 768]");
}

TEST(ShapeArithmetic, ComputesHeadSize) {
  Builder b(13);
  const auto x = b.input("x", DType::kFloat32, kTokens);
  const auto last = b.op("Slice", {b.op("Shape", {x}), b.longs({-1}), b.longs({INT64_MAX})});
  const auto head = b.op("Cast", {b.op("Div", {last, b.longs({12})})}, {{"to", int64_t{7}}});
  const auto shape = b.op("Concat", {b.longs({0, 0, 12}), head}, {{"axis", int64_t{0}}});
  EXPECT_EQ(b.shape(b.op("Reshape", {x, shape})), "[batch, seq, 12, 64]");
}

TEST(ShapeArithmetic, FoldsBatchIntoHeads) {
  Builder b(13);
  const auto x = b.input("x", DType::kFloat32, ir::Shape{ir::Dim("batch"), ir::Dim("seq"), 12, 64});
  const auto t = b.op("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  const auto n = b.op("Gather", {b.op("Shape", {x}), b.longs({0})});
  const auto s = b.op("Gather", {b.op("Shape", {x}), b.longs({1})});
  const auto folded =
      b.op("Reshape", {t, b.op("Concat", {b.op("Mul", {n, b.longs({12})}), s, b.longs({-1})},
                               {{"axis", int64_t{0}}})});
  EXPECT_EQ(b.shape(folded), "[12*batch, seq, 64]");
  const auto open =
      b.op("Reshape",
           {folded, b.op("Concat", {n, b.longs({-1}), s, b.longs({64})}, {{"axis", int64_t{0}}})});
  EXPECT_EQ(b.shape(open), "[batch, 12, seq, 64]");
}

TEST(ShapeArithmetic, SeesThroughTheExpandIdiom) {
  // Where(shape == -1, 1, shape), as exporters write for torch's expand.
  Builder b(13);
  const auto x = b.input("x", DType::kFloat32, ir::Shape{1, 1, 8});
  const auto y = b.input("y", DType::kFloat32, ir::Shape{ir::Dim("batch"), ir::Dim("seq")});
  const auto sizes = b.op("Concat", {b.op("Shape", {y}), b.longs({-1})}, {{"axis", int64_t{0}}});
  const auto ones =
      b.op("ConstantOfShape", {b.longs({3})}, {{"value", Tensor::of<int64_t>({1}, {1})}});
  const auto minus = b.op("Mul", {ones, b.longs({-1})});
  const auto safe = b.op("Where", {b.op("Equal", {sizes, minus}), ones, sizes});
  EXPECT_EQ(b.shape(b.op("Expand", {x, safe})), "[batch, seq, 8]");
}

TEST(ShapeArithmetic, KnowsWhatItDoesNotKnow) {
  Builder b(13);
  const auto x = b.input("x", DType::kFloat32, kTokens);
  const auto s = b.input("s", DType::kInt64, ir::Shape{3});
  EXPECT_EQ(b.shape(b.op("Reshape", {x, s})), "[?, ?, ?]");
  const auto t = b.input("t", DType::kInt64, std::nullopt);
  EXPECT_EQ(b.shape(b.op("Reshape", {x, t})), "unknown");
  EXPECT_EQ(b.shape(b.op("Flatten", {x}, {{"axis", int64_t{2}}})), "[batch*seq, 768]");
  EXPECT_EQ(b.shape(b.op("Range", {b.scalar(0), b.op("Gather", {b.op("Shape", {x}), b.scalar(1)}),
                                   b.scalar(1)})),
            "[seq]");
}

}  // namespace
}  // namespace tersor::ops::testing
