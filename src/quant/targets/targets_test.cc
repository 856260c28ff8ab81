#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "ops/testing_graph.h"
#include "quant/targets/target.h"
#include "tersor/error.h"

namespace tersor::quant {
namespace {

using ir::ValueId;
using ops::testing::Builder;

// Conv, Relu, Conv, residual Add, Relu, MatMul in the form that TensorRT asks for. Values keep
// their names; <name>_q and <name>_d<i> are their codes and what they stand for.
class Qdq : public Builder {
 public:
  Qdq() : Builder(17) {
    const auto x = input("x", {ir::Dim("N"), 3, 8, 8});
    const auto c1 =
        op("Conv", {pair(x, 1), weight_of("c1", {4, 3, 3, 3}, 0), weight("c1_b", {4})}, "c1");
    last().set("pads", std::vector<int64_t>{1, 1, 1, 1});
    const auto r1 = op("Relu", {c1}, "r1");
    const auto r1_q = quantize(r1);
    const auto c2 = op("Conv", {dequantize(r1_q, 1), weight_of("c2", {4, 4, 1, 1}, 0)}, "c2");
    const auto sum = op("Add", {pair(c2, 1), dequantize(r1_q, 2)}, "sum");
    const auto r2 = op("Relu", {sum}, "r2");
    const auto y = op("MatMul", {pair(r2, 1), weight_of("m", {8, 5}, 1)}, "y");
    finish({y});
  }

  ValueId pair(ValueId x, int i) { return dequantize(quantize(x), i); }
  ValueId quantize(ValueId x) {
    const std::string name = model.graph.values[x].name;
    const auto scale = constant(name + "_s", Tensor::scalar(0.1F));
    const auto zero = constant(name + "_z", Tensor::scalar<int8_t>(0));
    return op("QuantizeLinear", {x, scale, zero}, name + "_q");
  }
  ValueId dequantize(ValueId codes, int i) {
    std::string name = model.graph.values[codes].name;
    name.resize(name.size() - 2);
    return op("DequantizeLinear", {codes, find(name + "_s"), find(name + "_z")},
              name + "_d" + std::to_string(i));
  }
  ValueId weight_of(const std::string& name, Dims dims, int64_t axis) {
    const int64_t n = dims[static_cast<size_t>(axis)];
    const auto codes = constant(name + "_w", Tensor::zeros(DType::kInt8, dims));
    const auto scale =
        constant(name + "_w_s", Tensor::of<float>({n}, std::vector<float>(size_t(n), 0.01F)));
    const auto zero = constant(name + "_w_z", Tensor::zeros(DType::kInt8, {n}));
    const auto out = op("DequantizeLinear", {codes, scale, zero}, name + "_w_d");
    last().set("axis", axis);
    return out;
  }
  ValueId find(const std::string& name) const { return model.graph.find(name); }
  ir::Node& node(const std::string& output) {
    return *std::ranges::find_if(model.graph.nodes,
                                 [&](const ir::Node& n) { return n.outputs[0] == find(output); });
  }
  void set(const std::string& name, Tensor t) {
    model.graph.values[find(name)].constant = std::move(t);
  }
  // A node that stands where the one with that output stands, right before it.
  ValueId before(const std::string& output, const std::string& kind, std::vector<ValueId> inputs,
                 const std::string& name) {
    op(kind, std::move(inputs), name);
    auto& nodes = model.graph.nodes;
    const auto at = std::ranges::find_if(
        nodes, [&](const ir::Node& n) { return n.outputs[0] == find(output); });
    std::rotate(at, nodes.end() - 1, nodes.end());
    return find(name);
  }
};

std::string all_of(const std::vector<Finding>& list) {
  std::string text;
  for (const Finding& f : list)
    text += f.rule + " " + f.node + " " + f.tensor + ": " + f.what + "\n";
  return text;
}

TEST(Targets, AcceptWhatIsMadeForThem) {
  const Qdq good;
  EXPECT_EQ(all_of(check(good.model, find_target("tensorrt"))), "");
  EXPECT_EQ(all_of(check(good.model, find_target("openvino"))), "");
  EXPECT_EQ(all_of(check(good.model, find_target("tersor"))), "");
  // Neither Relu ends where its int8 codes end.
  const auto list = check(good.model, find_target("onnxruntime"));
  ASSERT_EQ(list.size(), 1U) << all_of(list);
  EXPECT_EQ(list[0].rule, "clip");
  EXPECT_EQ(list[0].tensor, "r1");
}

TEST(Targets, AcceptFloatModels) {
  const ir::Model m = ops::testing::residual_model();
  for (const Target* t : all_targets()) EXPECT_EQ(all_of(check(m, *t)), "") << t->name;
}

struct Planted {
  const char* what;
  std::function<void(Qdq&)> plant;
  const char *rule, *node, *tensor;
  Severity severity = Severity::kRefused;
};

const std::vector<Planted>& tensorrt_violations() {
  static const std::vector<Planted> kCases{
      {"a zero point that is not 0", [](Qdq& q) { q.set("r1_z", Tensor::scalar<int8_t>(-128)); },
       "zero-point", "node_r1_q", "r1"},
      {"uint8 activations", [](Qdq& q) { q.set("x_z", Tensor::scalar<uint8_t>(0)); }, "type",
       "node_x_q", "x"},
      {"scales along the input channels", [](Qdq& q) { q.node("c2_w_d").set("axis", int64_t{1}); },
       "weight-axis", "node_c2_w_d", "c2_w"},
      {"an axis that is not given is 1", [](Qdq& q) { q.node("c2_w_d").erase("axis"); },
       "weight-axis", "node_c2_w_d", "c2_w"},
      {"a residual Add whose second input is float",
       [](Qdq& q) { q.node("sum").inputs[1] = q.find("r1"); }, "residual-add", "node_sum", "r1",
       Severity::kSlow},
      {"a residual Add whose first input is float",
       [](Qdq& q) { q.node("sum").inputs[0] = q.find("c2"); }, "residual-add", "node_sum", "c2",
       Severity::kSlow},
      {"an activation with scales per channel",
       [](Qdq& q) {
         q.set("r1_s", Tensor::of<float>({4}, {1, 2, 3, 4}));
         q.set("r1_z", Tensor::zeros(DType::kInt8, {4}));
       },
       "activation-scale", "node_r1_q", "r1"},
      {"an int32 bias behind a DequantizeLinear",
       [](Qdq& q) {
         const auto codes = q.constant("bias_q", Tensor::zeros(DType::kInt32, {4}));
         q.node("c1").inputs[2] =
             q.before("c1", "DequantizeLinear", {codes, q.find("x_s")}, "bias_d");
       },
       "bias", "node_bias_d", "bias_q"},
      {"weights quantized, input not", [](Qdq& q) { q.node("c1").inputs[0] = q.find("x"); },
       "both-inputs", "node_c1", "x", Severity::kSlow},
      {"input quantized, weights not",
       [](Qdq& q) {
         q.node("c1").inputs[1] = q.weight("real", {4, 3, 3, 3});
       },
       "both-inputs", "node_c1", "real", Severity::kSlow},
      {"quantized between Conv and Relu",
       [](Qdq& q) {
         q.node("r1").inputs[0] = q.before(
             "r1", "DequantizeLinear",
             {q.before("r1", "QuantizeLinear", {q.find("c1"), q.find("x_s"), q.find("x_z")}, "b_q"),
              q.find("x_s"), q.find("x_z")},
             "b_d");
       },
       "between", "node_r1", "c1", Severity::kSlow},
      {"BatchNormalization behind a quantized Conv",
       [](Qdq& q) {
         const auto p = q.weight("p", {4});
         q.node("r1").inputs[0] =
             q.before("r1", "BatchNormalization", {q.find("c1"), p, p, p, p}, "bn");
       },
       "batchnorm", "node_bn", "c1", Severity::kSlow},
      {"a scale that is not positive", [](Qdq& q) { q.set("x_s", Tensor::scalar(0.0F)); }, "scale",
       "node_x_q", "x_s"},
      {"a quantized output", [](Qdq& q) { q.model.graph.outputs = {q.pair(q.find("y"), 1)}; },
       "output", "node_y_d1", "y_d1", Severity::kSlow},
      {"a DequantizeLinear that two share",
       [](Qdq& q) { q.node("sum").inputs[1] = q.find("r1_d1"); }, "own-dequantize", "node_r1_d1",
       "r1_d1", Severity::kSlow},
      {"codes that are no pair", [](Qdq& q) { q.model.graph.outputs.push_back(q.find("r2_q")); },
       "pair", "node_r2_q", "r2_q"},
      {"a pair that does not agree",
       [](Qdq& q) { q.node("r2_d1").inputs[1] = q.constant("other", Tensor::scalar(0.2F)); },
       "pair", "node_r2_d1", "r2_q"},
      {"an operator on integers",
       [](Qdq& q) {
         q.op("ConvInteger", {q.find("r1_q"), q.find("c2_w")}, "ci");
         q.model.graph.outputs.push_back(q.find("ci"));
       },
       "form", "node_ci", "ci"},
      {"an opset it does not read", [](Qdq& q) { q.model.opsets[""] = 27; }, "opset", "node_x_q",
       ""},
  };
  return kCases;
}

TEST(TensorRt, FindsEachPlantedViolation) {
  for (const Planted& c : tensorrt_violations()) {
    Qdq q;
    c.plant(q);
    const auto list = check(q.model, find_target("tensorrt"));
    const auto hit = std::ranges::find_if(list, [&](const Finding& f) {
      return f.rule == c.rule && f.node == c.node && f.tensor == c.tensor;
    });
    ASSERT_NE(hit, list.end()) << c.what << "\n" << all_of(list);
    EXPECT_EQ(hit->severity, c.severity) << c.what;
    EXPECT_FALSE(hit->what.empty() || hit->todo.empty()) << c.what;
  }
}

TEST(TensorRt, PlantedViolationsAreTheOnlyFindings) {
  for (const Planted& c : tensorrt_violations()) {
    if (c.rule == std::string("form") || c.rule == std::string("opset")) continue;
    Qdq q;
    c.plant(q);
    std::set<std::string> rules;
    for (const Finding& f : check(q.model, find_target("tensorrt"))) rules.insert(f.rule);
    EXPECT_EQ(rules, std::set<std::string>{c.rule}) << c.what;
  }
}

TEST(TensorRt, SeesWeightsThroughTransposes) {
  Qdq q;
  // [5, 8], quantized along axis 0, transposed for the MatMul.
  const auto w = q.weight_of("t", {5, 8}, 0);
  ValueId moved = q.op("Transpose", {w}, "t_moved");
  auto& nodes = q.model.graph.nodes;
  std::rotate(nodes.begin(), nodes.end() - 2, nodes.end());
  q.node("y").inputs[1] = moved;
  EXPECT_EQ(all_of(check(q.model, find_target("tensorrt"))), "");
  q.set("t_w_s", Tensor::of<float>({8}, std::vector<float>(8, 0.1F)));
  q.node("t_w_d").set("axis", int64_t{1});
  const auto list = check(q.model, find_target("tensorrt"));
  ASSERT_EQ(list.size(), 1U) << all_of(list);
  EXPECT_EQ(list[0].rule, "weight-axis");
}

TEST(TensorRt, TakesTransposesThatAreNone) {
  for (const std::vector<int64_t>& perm : {std::vector<int64_t>{-7, -9}, {99, 0}, {0}, {1, 1, 1}}) {
    Qdq q;
    const auto w = q.weight_of("t", {5, 8}, 0);
    const auto once = q.op("Transpose", {w}, "once");
    q.last().set("perm", perm);
    const auto twice = q.op("Transpose", {once}, "twice");
    q.last().set("perm", perm);
    auto& nodes = q.model.graph.nodes;
    std::rotate(nodes.begin(), nodes.end() - 3, nodes.end());
    q.node("y").inputs[1] = twice;
    EXPECT_NO_THROW(check(q.model, find_target("tensorrt")));
  }
}

TEST(TensorRt, SeesWeightsInConstantNodes) {
  Qdq q;
  ir::Node constant;
  constant.op = "Constant";
  constant.set("value", Tensor::scalar<int8_t>(3));
  constant.outputs = {q.model.graph.add_value("z3")};
  q.node("x_q").inputs[2] = q.node("x_d1").inputs[2] = constant.outputs[0];
  auto& nodes = q.model.graph.nodes;
  nodes.insert(nodes.begin(), std::move(constant));
  const auto list = check(q.model, find_target("tensorrt"));
  ASSERT_EQ(list.size(), 1U) << all_of(list);
  EXPECT_EQ(list[0].rule, "zero-point");
}

TEST(TensorRt, LooksIntoSubgraphs) {
  Builder inner;
  const auto x = inner.input("inner", {4});
  const auto scale = inner.constant("s", Tensor::scalar(0.1F));
  const auto zero = inner.constant("z", Tensor::scalar<uint8_t>(7));
  const auto codes = inner.op("QuantizeLinear", {x, scale, zero}, "inner_q");
  const ir::Model body = inner.finish({inner.op("DequantizeLinear", {codes, scale, zero}, "d")});
  Qdq q;
  q.op("Scan", {q.find("y")}, "scanned");
  q.last().set("body", std::make_shared<const ir::Graph>(body.graph));
  std::set<std::string> rules;
  for (const Finding& f : check(q.model, find_target("tensorrt"))) rules.insert(f.rule);
  EXPECT_TRUE(rules.contains("zero-point"));
  EXPECT_TRUE(rules.contains("type"));
}

TEST(OnnxRuntime, FindsWhatStaysFloat) {
  const std::vector<Planted> cases{
      {"int8 against uint8 weights",
       [](Qdq& q) {
         q.set("m_w", Tensor::zeros(DType::kUint8, {8, 5}));
         q.set("m_w_z", Tensor::zeros(DType::kUint8, {5}));
       },
       "mixed-signs", "node_y", "m_w_d"},
      {"a Conv that two read", [](Qdq& q) { q.model.graph.outputs.push_back(q.find("c2")); },
       "conv-output", "node_c2", "c2"},
      {"int16", [](Qdq& q) { q.set("x_z", Tensor::scalar<int16_t>(0)); }, "type", "node_x_q", "x"},
      {"LayerNormalization in int8",
       [](Qdq& q) {
         q.node("y").inputs[0] =
             q.before("y", "LayerNormalization", {q.find("r2_d1"), q.weight("ln", {8})}, "ln_y");
         q.node("y").inputs[0] =
             q.before("y", "DequantizeLinear",
                      {q.before("y", "QuantizeLinear",
                                {q.find("ln_y"), q.find("x_s"), q.find("x_z")}, "l_q"),
                       q.find("x_s"), q.find("x_z")},
                      "l_d");
       },
       "kernel", "node_ln_y", "ln_y"},
  };
  for (const Planted& c : cases) {
    Qdq q;
    c.plant(q);
    const auto list = check(q.model, find_target("onnxruntime"));
    EXPECT_TRUE(std::ranges::any_of(list,
                                    [&](const Finding& f) {
                                      return f.rule == c.rule && f.node == c.node &&
                                             f.tensor == c.tensor;
                                    }))
        << c.what << "\n"
        << all_of(list);
  }
}

TEST(OpenVino, KnowsThatChannelsOfQLinearConvAreWrong) {
  Builder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  const auto s = b.constant("s", Tensor::scalar(0.1F));
  const auto z = b.constant("z", Tensor::scalar<uint8_t>(3));
  const auto w = b.constant("w", Tensor::zeros(DType::kInt8, {2, 2, 1, 1}));
  const auto ws = b.constant("ws", Tensor::of<float>({2}, {1, 2}));
  const auto wz = b.constant("wz", Tensor::zeros(DType::kInt8, {2}));
  const auto q = b.op("QuantizeLinear", {x, s, z}, "q");
  const auto c = b.op("QLinearConv", {q, s, z, w, ws, wz, s, z}, "c");
  const ir::Model m = b.finish({b.op("DequantizeLinear", {c, s, z}, "y")});
  const auto list = check(m, find_target("openvino"));
  ASSERT_EQ(list.size(), 1U) << all_of(list);
  EXPECT_EQ(list[0].rule, "qlinear-channels");
  EXPECT_EQ(list[0].tensor, "ws");
}

TEST(Targets, UnknownNamesAndOpsetsAreErrors) {
  EXPECT_THROW(find_target("tensorflow"), Error);
  ir::Model m;
  m.opsets[""] = 27;
  EXPECT_NO_THROW(check_opset(m, find_target("any")));
  EXPECT_THROW(check_opset(m, find_target("tensorrt")), Error);
}

TEST(Targets, EveryRuleOfATableIsDescribed) {
  for (const Target* t : all_targets()) {
    std::set<std::string> ids;
    for (const TargetRule& r : rules_of(*t)) {
      EXPECT_TRUE(ids.insert(r.rule->id).second) << t->name << " " << r.rule->id;
      EXPECT_NE(std::string(r.rule->summary), "");
    }
    EXPECT_FALSE(ids.empty());
  }
}

}  // namespace
}  // namespace tersor::quant
