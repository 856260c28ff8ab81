#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "ops/detail/testing.h"

namespace tersor::ops::testing {
namespace {

using Longs = std::vector<int64_t>;

Tensor l(Dims dims, std::initializer_list<int64_t> v) {
  return Tensor::of<int64_t>(std::move(dims), v);
}
Tensor list(std::initializer_list<int64_t> v) { return l({static_cast<int64_t>(v.size())}, v); }
Tensor count_up(Dims dims) {
  Tensor t = Tensor::empty(DType::kInt64, std::move(dims));
  std::iota(t.mutable_data<int64_t>().begin(), t.mutable_data<int64_t>().end(), int64_t{0});
  return t;
}

TEST(Moving, EveryElementWidth) {
  const Tensor x = count_up({2, 3});
  for (DType type :
       {DType::kInt4, DType::kUint8, DType::kFloat16, DType::kFloat32, DType::kInt64}) {
    const Tensor y = run("Transpose", 21, {tensor::cast(x, type)})[0];
    EXPECT_EQ(y.dims(), (Dims{3, 2}));
    EXPECT_EQ(longs(y), (Longs{0, 3, 1, 4, 2, 5})) << tensor::name(type);
  }
  const Tensor words = Tensor::of_strings({2, 2}, {"a", "b", "c", "d"});
  EXPECT_EQ(run("Transpose", 13, {words})[0].strings(),
            (std::vector<std::string>{"a", "c", "b", "d"}));
}

TEST(Moving, SliceClampsAndSteps) {
  const Tensor x = count_up({10});
  struct Case {
    int64_t start, end, step;
    Longs want;
  };
  for (const Case& c : std::vector<Case>{{2, 5, 1, {2, 3, 4}},
                                         {-3, INT64_MAX, 1, {7, 8, 9}},
                                         {0, -1, 4, {0, 4, 8}},
                                         {INT64_MAX, INT64_MIN, -3, {9, 6, 3, 0}},
                                         {8, 2, -2, {8, 6, 4}},
                                         {5, 5, 1, {}},
                                         {0, 10, INT64_MAX, {0}},
                                         {9, INT64_MIN, INT64_MIN, {9}},
                                         {INT64_MIN, INT64_MAX, 9, {0, 9}}})
    EXPECT_EQ(
        longs(run("Slice", 13, {x, list({c.start}), list({c.end}), list({0}), list({c.step})})[0]),
        c.want)
        << c.start << ":" << c.end << ":" << c.step;
  EXPECT_EQ(longs(run("Slice", 9, {count_up({2, 3})},
                      {{"starts", Longs{1}}, {"ends", Longs{3}}, {"axes", Longs{1}}})[0]),
            (Longs{1, 2, 4, 5}));
  EXPECT_THROW(run("Slice", 13, {x, list({0}), list({1}), list({0}), list({0})}), Error);
  EXPECT_THROW(run("Slice", 13, {x, list({0}), list({1}), list({1})}), Error);
}

TEST(Moving, IndicesOutsideAreErrors) {
  const Tensor x = count_up({2, 3});
  EXPECT_EQ(longs(run("Gather", 13, {x, list({-1, 0})}, {{"axis", int64_t{1}}})[0]),
            (Longs{2, 0, 5, 3}));
  EXPECT_THROW(run("Gather", 13, {x, list({2})}), Error);
  EXPECT_THROW(run("GatherElements", 13, {x, l({1, 1}, {-3})}), Error);
  EXPECT_THROW(run("GatherND", 13, {x, l({1, 2}, {0, 3})}), Error);
  EXPECT_THROW(run("ScatterND", 18, {x, l({1, 2}, {0, 3}), list({7})}), Error);
  EXPECT_THROW(run("ScatterElements", 18, {x, l({1, 1}, {2}), l({1, 1}, {7})}), Error);
}

TEST(Moving, ReshapeRules) {
  const Tensor x = count_up({2, 3, 4});
  EXPECT_EQ(run("Reshape", 14, {x, list({0, -1})})[0].dims(), (Dims{2, 12}));
  EXPECT_EQ(run("Reshape", 14, {count_up({0, 3}), list({-1, 3})})[0].dims(), (Dims{0, 3}));
  EXPECT_EQ(
      run("Reshape", 14, {count_up({0, 3}), list({3, 0})}, {{"allowzero", int64_t{1}}})[0].dims(),
      (Dims{3, 0}));
  for (const Tensor& bad : {list({-1, -1}), list({5, -1}), list({-2, 3}), list({25}),
                            list({1, 1, 1, 0}), list({INT64_MAX, INT64_MAX})})
    EXPECT_THROW(run("Reshape", 14, {x, bad}), Error);
}

TEST(Moving, SplitSizes) {
  const Tensor x = count_up({7});
  const auto parts = run("Split", 18, {x}, {{"num_outputs", int64_t{3}}}, 3);
  EXPECT_EQ(longs(parts[2]), (Longs{6}));
  EXPECT_EQ(longs(run("Split", 13, {x, list({2, 5})}, {}, 2)[0]), (Longs{0, 1}));
  EXPECT_THROW(run("Split", 13, {x, list({2, 4})}, {}, 2), Error);
  EXPECT_THROW(run("Split", 11, {x}, {{"split", Longs{-1, 8}}}, 2), Error);
  EXPECT_THROW(run("Split", 13, {x}, {}, 2), Error);
}

TEST(Moving, PadModes) {
  const Tensor x = count_up({3});
  const auto pad = [&](const char* mode, int64_t before, int64_t after) {
    return longs(run("Pad", 19, {x, list({before, after}), Tensor::scalar<int64_t>(9)},
                     {{"mode", std::string(mode)}})[0]);
  };
  EXPECT_EQ(pad("constant", 1, 2), (Longs{9, 0, 1, 2, 9, 9}));
  EXPECT_EQ(pad("reflect", 2, 1), (Longs{2, 1, 0, 1, 2, 1}));
  EXPECT_EQ(pad("edge", 2, 1), (Longs{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(pad("wrap", 1, 4), (Longs{2, 0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(pad("constant", -1, -1), (Longs{1}));
  EXPECT_THROW(pad("constant", -2, -2), Error);
  EXPECT_THROW(pad("mirror", 1, 1), Error);
}

TEST(Moving, DepthToSpaceInvertsSpaceToDepth) {
  const Tensor x = count_up({2, 3, 4, 6});
  for (const char* mode : {"DCR", "CRD"}) {
    const Attributes a = {{"blocksize", int64_t{2}}, {"mode", std::string(mode)}};
    const Tensor deep = run("SpaceToDepth", 28, {x}, a)[0];
    EXPECT_EQ(deep.dims(), (Dims{2, 12, 2, 3}));
    EXPECT_TRUE(tensor::same(run("DepthToSpace", 28, {deep}, a)[0], x)) << mode;
  }
}

TEST(Moving, TopKBreaksTiesByIndex) {
  const auto out = run("TopK", 11, {list({3, 1, 3, 2}), list({3})}, {}, 2);
  EXPECT_EQ(longs(out[0]), (Longs{3, 3, 2}));
  EXPECT_EQ(longs(out[1]), (Longs{0, 2, 3}));
  EXPECT_THROW(run("TopK", 11, {list({3}), list({2})}, {}, 2), Error);
  EXPECT_THROW(run("ArgMax", 13, {count_up({0})}), Error);
}

TEST(Moving, EmptyTensors) {
  EXPECT_EQ(run("Transpose", 13, {count_up({0, 3})})[0].dims(), (Dims{3, 0}));
  EXPECT_EQ(
      run("Concat", 13, {count_up({0, 2}), count_up({1, 2})}, {{"axis", int64_t{0}}})[0].dims(),
      (Dims{1, 2}));
  EXPECT_EQ(run("Expand", 13, {count_up({1, 0}), list({4, 1})})[0].dims(), (Dims{4, 0}));
  EXPECT_EQ(longs(run("ReduceSum", 13, {count_up({2, 0}), list({1})})[0]), (Longs{0, 0}));
  EXPECT_EQ(run("Tile", 13, {count_up({2}), list({0})})[0].dims(), (Dims{0}));
}

TEST(Moving, ReduceAxesOldAndNew) {
  const Tensor x = count_up({2, 3});
  EXPECT_EQ(longs(run("ReduceSum", 11, {x}, {{"axes", Longs{-1}}})[0]), (Longs{3, 12}));
  EXPECT_EQ(longs(run("ReduceSum", 13, {x, list({0})}, {{"keepdims", int64_t{0}}})[0]),
            (Longs{3, 5, 7}));
  EXPECT_EQ(longs(run("ReduceMax", 18, {x})[0]), (Longs{5}));
  EXPECT_TRUE(
      tensor::same(run("ReduceSum", 13, {x}, {{"noop_with_empty_axes", int64_t{1}}})[0], x));
  EXPECT_THROW(run("ReduceSum", 13, {x, list({2})}), Error);
}

}  // namespace
}  // namespace tersor::ops::testing
