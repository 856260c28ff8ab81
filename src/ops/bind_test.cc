// Every bound step of the elementwise and moving operators gives what dequantize - reference -
// quantize gives, in both layouts, with uint8 and int8 codes.
#include <random>

#include "ops/detail/testing_bind.h"

namespace tersor::ops::testing {
namespace {

using detail::ByteFormat;

const ByteFormat kU8{0.05f, 120, false}, kU8Other{0.11f, 3, false}, kI8{0.04f, -7, true};

Tensor random(Dims dims, float low = -5, float high = 5) {
  static std::mt19937 generator(7);
  std::uniform_real_distribution<float> d(low, high);
  Tensor t = Tensor::empty(DType::kFloat32, std::move(dims));
  for (float& v : t.mutable_data<float>()) v = d(generator);
  return t;
}
Tensor longs(std::initializer_list<int64_t> v) {
  return Tensor::vector(std::span<const int64_t>(v.begin(), v.size()));
}

TEST(Bind, MapsAreTables) {
  for (const Operator* op : all()) {
    if (op->traits.quant != QuantClass::kMaps || !op->bind) continue;
    const bool positive = op->name == std::string("Sqrt") || op->name == std::string("Log") ||
                          op->name == std::string("Acosh");
    for (const ByteFormat& in : {kU8, kI8})
      for (const ByteFormat& out : {kU8Other, kI8, in}) {
        BindCase c{.op = op->name, .opset = 24, .inputs = {random({2, 3, 5, 4})}};
        if (positive) c.inputs = {random({2, 3, 5, 4}, 1, 5)};
        c.formats = {in};
        c.out = out;
        expect_bound_equals_reference(c);
        c.channels_last = true;
        expect_bound_equals_reference(c);
      }
    // Polynomials of a few units in the last place stand for the C library's functions.
    BindCase c{.op = op->name, .opset = 24, .inputs = {random({3, 10000})}};
    expect_bound_equals_reference(c, 1, 8 * std::numeric_limits<float>::epsilon());
  }
}

TEST(Bind, BinaryBroadcasts) {
  struct Shapes {
    Dims a, b;
    bool layouts;  // ranks allow channels-last
  };
  const std::vector<Shapes> shapes = {{{2, 3, 4, 5}, {2, 3, 4, 5}, true},
                                      {{2, 3, 4, 5}, {}, true},
                                      {{2, 3, 4, 5}, {1, 3, 1, 1}, true},
                                      {{2, 3, 1, 1}, {2, 3, 4, 5}, true},
                                      {{3, 1}, {1, 4}, false},
                                      {{7, 16}, {16}, false},
                                      {{1, 3, 1, 5}, {2, 1, 4, 1}, true},
                                      {{2, 0, 3}, {1, 1, 3}, true}};
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Pow", "PRelu"})
    for (const Shapes& s : shapes) {
      if (op == std::string("PRelu") && broadcast_dims(s.a, s.b) != s.a) continue;
      for (bool last : {false, true}) {
        if (last && !s.layouts) continue;
        BindCase c{.op = op, .inputs = {random(s.a, 0.5f, 5), random(s.b, 0.5f, 5)}};
        c.channels_last = last;
        expect_bound_equals_reference(c);
        c.formats = {kU8, kI8};
        c.out = kU8Other;
        expect_bound_equals_reference(c);
      }
    }
}

TEST(Bind, ConstantOperandsArePutInPhysicalOrder) {
  for (const Dims& dims : {Dims{3, 1, 1}, Dims{1, 3, 1, 1}, Dims{5}, Dims{3, 4, 5}, Dims{1}}) {
    BindCase c{.op = "Mul", .inputs = {random({2, 3, 4, 5}), random(dims)}};
    c.constant = {false, true};
    c.channels_last = true;
    expect_bound_equals_reference(c);
    c.formats = {kU8, kI8};
    c.out = kI8;
    expect_bound_equals_reference(c);
  }
}

TEST(Bind, FusedClip) {
  BindCase c{.op = "Add", .inputs = {random({4, 6}), random({6})}};
  c.attributes = {{"clip_min", 0.0f}, {"clip_max", 2.5f}};
  const std::vector<Tensor> got = bound(c);
  ASSERT_EQ(got.size(), 1u);
  const std::vector<float> sum = floats(run("Add", 14, c.inputs)[0]), y = floats(got[0]);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], std::clamp(sum[i], 0.0f, 2.5f));
}

TEST(Bind, Moves) {
  const Tensor x = random({2, 4, 6, 8});
  std::vector<BindCase> cases = {
      {.op = "Identity", .inputs = {x}},
      {.op = "Reshape", .inputs = {x, longs({0, -1})}},
      {.op = "Flatten", .inputs = {x}},
      {.op = "Transpose", .inputs = {x}},
      {.op = "Transpose",
       .inputs = {random({3, 70, 50})},
       .attributes = {{"perm", std::vector<int64_t>{0, 2, 1}}}},
      {.op = "Transpose",
       .inputs = {random({70, 3, 1, 45})},
       .attributes = {{"perm", std::vector<int64_t>{3, 2, 1, 0}}}},
      {.op = "Transpose",
       .inputs = {random({1, 12, 9, 8})},
       .attributes = {{"perm", std::vector<int64_t>{0, 2, 1, 3}}}},
      {.op = "Transpose",
       .inputs = {random({4, 1, 1, 8})},
       .attributes = {{"perm", std::vector<int64_t>{0, 2, 3, 1}}}},
      {.op = "Gather", .inputs = {x, longs({1, -1, 0})}, .attributes = {{"axis", int64_t{2}}}},
      {.op = "Expand", .inputs = {random({4, 1}), longs({2, 4, 3})}},
      {.op = "Tile", .inputs = {random({4, 2}), longs({2, 3})}},
      {.op = "DepthToSpace", .inputs = {x}, .attributes = {{"blocksize", int64_t{2}}}},
      {.op = "SpaceToDepth", .inputs = {x}, .attributes = {{"blocksize", int64_t{2}}}},
      {.op = "DepthToSpace",
       .inputs = {random({2, 18, 4, 3})},
       .attributes = {{"blocksize", int64_t{3}}, {"mode", std::string("CRD")}}},
      {.op = "SpaceToDepth",
       .opset = 28,
       .inputs = {x},
       .attributes = {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}},
      {.op = "ReduceMax", .inputs = {x}, .attributes = {{"axes", std::vector<int64_t>{1, 3}}}},
      {.op = "Slice", .inputs = {x, longs({1, 5}), longs({3, -9}), longs({1, 2}), longs({1, -2})}},
      {.op = "Pad", .inputs = {x, longs({0, 1, 2, 3, 0, 0, 1, 1})}},
  };
  for (BindCase& c : cases) {
    c.constant.assign(c.inputs.size(), true);
    c.constant[0] = false;
    const bool aware = c.op == "Slice" || c.op == "Pad" || c.op == "ReduceMax" ||
                       c.op == "Identity" || c.op == "DepthToSpace" || c.op == "SpaceToDepth";
    for (bool last : {false, true}) {
      if (last && !aware) continue;
      c.channels_last = last;
      c.formats.clear();
      c.out.reset();
      expect_bound_equals_reference(c);
      c.formats = {kU8};
      for (const ByteFormat& out : {kU8, kU8Other, kI8}) {
        c.out = out;
        expect_bound_equals_reference(c);
      }
    }
  }
}

TEST(Bind, PadModesInBothLayouts) {
  for (const char* mode : {"constant", "reflect", "edge", "wrap"})
    for (bool last : {false, true}) {
      BindCase c{.op = "Pad",
                 .opset = 19,
                 .inputs = {random({2, 4, 6, 5}), longs({1, 2, 0, 1}), Tensor::scalar(1.5f),
                            longs({-1, 1})}};
      c.attributes = {{"mode", std::string(mode)}};
      c.constant = {false, true, true, true};
      c.channels_last = last;
      expect_bound_equals_reference(c);
      c.formats = {kI8};
      c.out = kI8;
      const ByteFormat exact{0.05f, 10, true};  // holds 1.5
      c.formats = {exact};
      c.out = exact;
      expect_bound_equals_reference(c);
    }
}

TEST(Bind, ConcatSplitAndWhere) {
  for (bool last : {false, true})
    for (int64_t axis : {0, 1, 3, -2}) {
      BindCase c{.op = "Concat", .inputs = {random({2, 3, 4, 5}), random({2, 3, 4, 5})}};
      c.attributes = {{"axis", axis}};
      c.channels_last = last;
      expect_bound_equals_reference(c);
      c.formats = {kU8, kI8};
      c.out = kU8;
      expect_bound_equals_reference(c);
      c.constant = {false, true};
      expect_bound_equals_reference(c);
      BindCase s{.op = "Split", .inputs = {random({4, 4, 4, 4}), longs({1, 3})}};
      s.constant = {false, true};
      s.attributes = {{"axis", axis}};
      s.channels_last = last;
      expect_bound_equals_reference(s, 2);
    }
  BindCase w{
      .op = "Where",
      .inputs = {run("Greater", 13, {random({3, 1}), random({})})[0], random({3, 4}), random({4})}};
  expect_bound_equals_reference(w);
  w.formats = {std::nullopt, kU8, kI8};
  w.out = kI8;
  expect_bound_equals_reference(w);
}

TEST(Bind, Reductions) {
  for (const char* op :
       {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
        "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"})
    for (const std::vector<int64_t>& axes :
         {std::vector<int64_t>{2, 3}, {-1}, {1}, {0}, {0, 2}, {}})
      for (bool last : {false, true}) {
        BindCase c{.op = op, .opset = 18, .inputs = {random({2, 3, 7, 9}, 0.5f, 1.5f)}};
        if (!axes.empty()) c.inputs.push_back(Tensor::vector(axes));
        c.constant = {false, true};
        c.channels_last = last;
        expect_bound_equals_reference(c, 1, 1e-6f);
        if (op != std::string("ReduceMean") && op != std::string("ReduceSum")) continue;
        c.formats = {kI8};
        c.out = ByteFormat{op == std::string("ReduceMean") ? 0.03f : 3.3f, 11, false};
        if (bound(c).empty()) continue;  // axes that do not lie side by side
        // The real arithmetic is in integers, the reference's in double: one step at a tie.
        expect_bound_equals_reference(c, 1, 1);
      }
}

}  // namespace
}  // namespace tersor::ops::testing
