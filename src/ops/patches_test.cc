#include "ops/patches.h"

#include <gtest/gtest.h>

#include "ops/detail/testing.h"

namespace tersor::ops {
namespace {

Tensor ramp(const Dims& dims, int from) {
  Tensor t = Tensor::empty(DType::kFloat32, dims);
  int i = from;
  for (float& v : t.mutable_data<float>()) v = static_cast<float>(i++ % 7 - 3);
  return t;
}

// Filters times patches give what the operator gives, row by row.
void check(const std::string& op, const testing::Attributes& attributes, const Dims& weight_dims,
           const Dims& value_dims) {
  const Tensor w = ramp(weight_dims, 1), x = ramp(value_dims, 4);
  const ir::Node node = testing::make_node(op, attributes, 2, 1);
  const Tensor y = testing::run(op, 17, {x, w}, attributes)[0];
  const auto filters = filters_of(node, weight_dims);
  ASSERT_TRUE(filters) << op;
  const Patches patches(node, weight_dims, value_dims);
  ASSERT_EQ(patches.rows() * filters->count, y.count()) << op;
  const int64_t per_group = filters->count / filters->groups;
  const bool conv = op == "Conv";
  const int64_t plane = conv ? y.count() / (y.dim(0) * y.dim(1)) : 1;
  for (int64_t row = 0; row < patches.rows(); ++row) {
    std::vector<float> sums(static_cast<size_t>(filters->count), 0);
    patches.each(row, [&](int64_t group, int64_t k, int64_t element) {
      for (int64_t f = group * per_group; f < (group + 1) * per_group; ++f)
        sums[static_cast<size_t>(f)] +=
            x.data<float>()[static_cast<size_t>(element)] *
            w.data<float>()[static_cast<size_t>(f * filters->filter_stride +
                                                k * filters->element_stride)];
    });
    for (int64_t f = 0; f < filters->count; ++f)
      ASSERT_EQ(sums[static_cast<size_t>(f)],
                y.data<float>()[static_cast<size_t>((row / plane * filters->count + f) * plane +
                                                    row % plane)])
          << op << " " << row << " " << f;
  }
}

TEST(Patches, TimesFiltersGiveTheOperator) {
  using Longs = std::vector<int64_t>;
  check("Conv", {}, {4, 3, 1, 1}, {2, 3, 4, 5});
  check("Conv", {{"pads", Longs{1, 1, 0, 2}}, {"strides", Longs{2, 1}}}, {4, 3, 3, 2},
        {2, 3, 6, 5});
  check("Conv", {{"group", int64_t{2}}, {"dilations", Longs{2, 1}}}, {6, 2, 2, 3}, {1, 4, 6, 5});
  check("Conv", {{"group", int64_t{4}}, {"auto_pad", std::string("SAME_UPPER")}}, {4, 1, 3},
        {2, 4, 7});
  check("Gemm", {}, {5, 3}, {4, 5});
  check("Gemm", {{"transB", int64_t{1}}}, {3, 5}, {4, 5});
  check("MatMul", {}, {5, 3}, {2, 4, 5});
}

TEST(Patches, OtherOperatorsHaveNone) {
  EXPECT_FALSE(filters_of(testing::make_node("ConvTranspose", {}, 2, 1), {3, 4, 2, 2}));
  EXPECT_FALSE(filters_of(testing::make_node("MatMul", {}, 2, 1), {2, 3, 4}));
  EXPECT_FALSE(filters_of(testing::make_node("Conv", {{"group", int64_t{3}}}, 2, 1), {4, 1, 3}));
}

}  // namespace
}  // namespace tersor::ops
