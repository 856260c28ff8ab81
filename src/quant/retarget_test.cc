#include "quant/retarget.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ops/testing_graph.h"
#include "quant/decisions.h"
#include "tersor/error.h"

namespace tersor::quant {
namespace {

using ops::testing::Builder;
using ops::testing::residual_model;

// For a target, as if every value had been seen from `lo` to 3.
ir::Model quantized(const ir::Model& m, const char* target, float lo) {
  const Recipe recipe{.calibrator = stats::parse_calibrator("minmax"),
                      .bias_correct = false,
                      .target = &find_target(target)};
  stats::Statistics s;
  for (const auto& [name, axis] : points(m, recipe)) {
    const std::vector<float> ends{lo, 3};
    s.tensors[name].add(ends);
  }
  return apply(m, decide(m, s, recipe));
}

std::string refusal(const ir::Model& m, const char* target) {
  try {
    retarget(m, find_target(target));
  } catch (const Error& error) {
    EXPECT_FALSE(error.help().empty());
    return error.code() + " " + error.sentence();
  }
  return "none";
}

// Codes of weights by the name of the tensor.
std::vector<int8_t> codes(const ir::Model& m, const char* name) {
  const Tensor* t = m.graph.constant(m.graph.find(name));
  if (!t) return {};
  const auto data = t->data<int8_t>();
  return {data.begin(), data.end()};
}

TEST(Retarget, ToItselfChangesNothing) {
  for (const char* target : {"any", "tensorrt", "tersor", "openvino", "onnxruntime"}) {
    const ir::Model m = quantized(residual_model(), target, -2);
    const Retargeted r = retarget(m, find_target(target));
    EXPECT_EQ(ir::dump(r.model.graph), ir::dump(m.graph)) << target;
    EXPECT_EQ(r.moved, 0) << target;
  }
}

TEST(Retarget, BetweenTargetsOfOneFormKeepsCodesAndRules) {
  const ir::Model m = quantized(residual_model(), "any", -2);
  for (const char* target : {"onnxruntime", "openvino"}) {
    const Retargeted r = retarget(m, find_target(target));
    EXPECT_TRUE(check(r.model, find_target(target)).empty()) << target;
    EXPECT_EQ(codes(r.model, "c2_w_q"), codes(m, "c2_w_q")) << target;
    EXPECT_FALSE(codes(r.model, "c2_w_q").empty());
    EXPECT_EQ(r.biases, 0);
  }
}

TEST(Retarget, FromTensorRtMovesZeroPoints) {
  const ir::Model m = quantized(residual_model(), "tensorrt", -2);
  const Retargeted r = retarget(m, find_target("tersor"));
  EXPECT_TRUE(check(r.model, find_target("tersor")).empty());
  EXPECT_GT(r.moved, 0);
  EXPECT_GT(r.biases, 0);  // TensorRT's are floats
  EXPECT_EQ(codes(r.model, "c2_w_q"), codes(m, "c2_w_q"));
  for (const ir::Node& node : r.model.graph.nodes)
    if (node.op == "QuantizeLinear") {
      EXPECT_EQ(tensor::as_int64(*r.model.graph.constant(node.inputs[2]), 0), 128);
    }
}

TEST(Retarget, SaysWhatCannotBe) {
  const ir::Model m = quantized(residual_model(), "any", -2);
  const std::string zero = refusal(m, "tensorrt");
  EXPECT_NE(zero.find("E33"), std::string::npos);
  EXPECT_NE(zero.find("zero point"), std::string::npos) << zero;
  EXPECT_NE(refusal(residual_model(), "tersor").find("E34"), std::string::npos);

  // Only the input is stored: onnxruntime wants the output of the Conv rounded too.
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 3, 8, 8});
  const ir::Model one =
      quantized(b.finish({b.op("Softplus", {b.conv(x, 3, 4, "c")}, "y")}), "tersor", -2);
  EXPECT_NE(refusal(one, "onnxruntime").find("layer 'node_c' would be in float"), std::string::npos)
      << refusal(one, "onnxruntime");
}

TEST(Retarget, LeavesLayersInFloatThatWere) {
  const ir::Model m = residual_model();
  const Recipe recipe{
      .calibrator = stats::parse_calibrator("minmax"), .bias_correct = false, .keep = {"node_c2"}};
  stats::Statistics s;
  for (const auto& [name, axis] : points(m, recipe)) {
    const std::vector<float> ends{-2, 3};
    s.tensors[name].add(ends);
  }
  const Retargeted r = retarget(apply(m, decide(m, s, recipe)), find_target("openvino"));
  EXPECT_TRUE(codes(r.model, "c2_w_q").empty());
  EXPECT_FALSE(codes(r.model, "c1_w_q").empty());
}

}  // namespace
}  // namespace tersor::quant
