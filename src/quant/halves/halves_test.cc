#include "quant/halves/halves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "ops/testing_graph.h"
#include "quant/halves/numbers.h"
#include "quant/halves/storage.h"

namespace tersor::quant {
namespace {

using ir::ValueId;
using ops::testing::Builder;
using ops::testing::random_tensor;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// All constants of that type in all graphs, by name.
std::vector<std::string> constants(const ir::Model& model, DType type) {
  std::vector<std::string> names;
  std::vector<const ir::Graph*> open{&model.graph};
  while (!open.empty()) {
    const ir::Graph* g = open.back();
    open.pop_back();
    for (const ir::Value& v : g->values)
      if (v.constant && v.constant->dtype() == type) names.push_back(v.name);
    for (const ir::Node& n : g->nodes)
      for (const auto& body : ir::subgraphs(n)) open.push_back(body.get());
  }
  return names;
}

std::vector<std::string> kept(const Halves& h) {
  std::vector<std::string> names;
  for (const FloatNode& n : h.kept) names.push_back(n.node);
  return names;
}

// y = if (c) x * w else x * w, the weight in the main graph; `inner` puts one into each branch too.
ir::Model with_branches(bool inner) {
  Builder b;
  const ValueId x = b.input("x", {4, 32});
  const ValueId c = b.constant("c", Tensor::of<bool>({}, {true}));
  b.weight("w", {32, 32});
  ir::Node node;
  node.op = "If";
  node.name = "if";
  node.inputs = {c};
  for (const char* branch : {"then_branch", "else_branch"}) {
    auto body = std::make_shared<ir::Graph>();
    body->name = branch;
    const ValueId outer = body->add_value("x"), w = body->add_value("w");
    body->captures = {outer, w};
    ValueId last = outer;
    const auto multiply = [&](ValueId by, const std::string& name) {
      ir::Node product;
      product.op = "MatMul";
      product.name = name;
      product.inputs = {last, by};
      last = body->add_value(name);
      product.outputs = {last};
      body->nodes.push_back(std::move(product));
    };
    multiply(w, std::string(branch) + "_y");
    if (inner)
      multiply(body->add_constant(std::string(branch) + "_w", random_tensor({32, 32}, 9)),
               std::string(branch) + "_z");
    body->outputs = {last};
    node.set(branch, ir::Attribute::GraphPtr(body));
  }
  const ValueId y = b.model.graph.add_value("y", ir::Type::tensor(DType::kFloat32));
  node.outputs = {y};
  b.model.graph.nodes.push_back(std::move(node));
  (void)x;
  return b.finish({y});
}

TEST(ToHalves, WeightsThatBodiesShareAreStoredOnce) {
  const Halves h = to_halves(with_branches(false), {}, {});
  EXPECT_TRUE(constants(h.model, DType::kFloat32).empty());
  EXPECT_EQ(constants(h.model, DType::kFloat16), std::vector<std::string>{"w_half"});
}

TEST(ToHalves, ABodyInFloat32KeepsTheOriginalWeights) {
  HalvesRecipe recipe;
  recipe.keep = {"If"};
  const Halves h = to_halves(with_branches(false), recipe, {});
  EXPECT_EQ(constants(h.model, DType::kFloat32), std::vector<std::string>{"w"});
  EXPECT_EQ(kept(h), std::vector<std::string>{"if"});
}

TEST(StorageOnly, ReachesWeightsOfBodiesAndConstantNodes) {
  ir::Model m = with_branches(true);
  ir::Node constant;
  constant.op = "Constant";
  constant.set("value", random_tensor({4, 32}, 5));
  const ValueId value = m.graph.add_value("k"), sum = m.graph.add_value("sum");
  constant.outputs = {value};
  ir::Node add;
  add.op = "Add";
  add.inputs = {m.graph.inputs[0], value};
  add.outputs = {sum};
  m.graph.nodes.push_back(std::move(constant));
  m.graph.nodes.push_back(std::move(add));
  m.graph.outputs.push_back(sum);
  HalvesRecipe recipe;
  recipe.storage_only = true;
  const Halves h = to_halves(m, recipe, {});
  EXPECT_EQ(h.stored, 4);
  EXPECT_TRUE(constants(h.model, DType::kFloat32).empty());
  EXPECT_EQ(constants(h.model, DType::kFloat16).size(), 4u);
}

TEST(StorageOnly, LeavesWeightsBeyondTheRange) {
  Builder b;
  const ValueId x = b.input("x", {4, 32});
  Tensor large = random_tensor({32}, 1);
  large.mutable_data<float>()[3] = 1e6F;
  const Stored stored = [&] {
    ir::Model m = b.finish({b.op("Mul", {x, b.constant("large", large)}, "y")});
    return narrow_storage(m, DType::kFloat16);
  }();
  EXPECT_EQ(stored.weights, 0);
  ASSERT_EQ(stored.left.size(), 1u);
  EXPECT_EQ(stored.left[0].first, "large");
  EXPECT_NE(stored.left[0].second.find("65504"), std::string::npos);
}

TEST(ToHalves, SeesNumbersOfConstantNodes) {
  Builder b;
  const ValueId x = b.input("x", {4});
  const ValueId k = b.op("Constant", {}, "k");
  b.last().set("value", Tensor::scalar(1e5F));
  const Halves h = to_halves(b.finish({b.op("Mul", {x, k}, "y")}), {}, {});
  EXPECT_EQ(kept(h), std::vector<std::string>{"node_y"});
}

TEST(ToHalves, KeepsWhatReadsSequencesAndUnknownTypes) {
  Builder b;
  const ValueId x = b.input("x", {4});
  const ValueId s = b.op("SequenceConstruct", {x, x}, "s");
  b.model.graph.values[s].type.kind = ir::Type::Kind::kOther;
  const ValueId other = b.op("Mystery", {x}, "other");
  b.last().domain = "somewhere";
  const ValueId y = b.op("Add", {b.op("Relu", {x}, "r"), other}, "y");
  b.model.graph.outputs = {s, y};
  const Halves h = to_halves(b.model, {}, {});
  const std::vector<std::string> names = kept(h);
  EXPECT_EQ(names, (std::vector<std::string>{"node_s", "node_other", "node_y"}));
  EXPECT_EQ(h.kept[0].reason, "value 's' is no tensor");
  EXPECT_EQ(h.kept[2].reason, "the type of value 'other' is not known");
}

TEST(ToHalves, NamesUnnamedNodesByTheirValue) {
  Builder b;
  const ValueId y = b.op("Relu", {b.input("x", {4})}, "y");
  b.last().name.clear();
  HalvesRecipe recipe;
  recipe.keep = {"Relu"};
  EXPECT_EQ(kept(to_halves(b.finish({y}), recipe, {})), std::vector<std::string>{"y"});
}

TEST(ToHalves, KeepsWhatWasSeenToGoWrong) {
  Builder b;
  const ValueId r = b.op("Relu", {b.input("x", {4})}, "r");
  const ir::Model m = b.finish({b.op("Exp", {r}, "y")});
  HalvesRecipe recipe;
  recipe.measured = {{"y", "it did"}};
  const Halves h = to_halves(m, recipe, {});
  ASSERT_EQ(kept(h), std::vector<std::string>{"node_y"});
  EXPECT_EQ(h.kept[0].reason, "it did");
  recipe.naive = true;
  EXPECT_TRUE(to_halves(m, recipe, {}).kept.empty());
}

// x -> a -> b -> y, and a side that goes nowhere.
ir::Model line() {
  Builder b;
  const ValueId a = b.op("Relu", {b.input("x", {4})}, "a");
  const ValueId c = b.op("Exp", {a}, "b");
  b.op("Exp", {a}, "side");
  return b.finish({b.op("Relu", {c}, "y")});
}

TEST(Blamed, IsTheNodeWhereTheErrorBegins) {
  const ir::Model m = line();
  const Halves h = to_halves(m, {}, {});
  const auto found = blamed(m, h, {{"a", 3e-4}, {"b", 0.2}, {"side", 0.5}, {"y", 0.2}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found.begin()->first, "b");
  EXPECT_EQ(blamed(m, h, {{"a", 3e-4}, {"b", kInfinity}, {"y", kInfinity}}).at("b"),
            "its result is not finite in float16");
}

TEST(Blamed, AreTheInputsOfAFloatNode) {
  const ir::Model m = line();
  HalvesRecipe recipe;
  recipe.keep = {"node_b"};
  const auto found =
      blamed(m, to_halves(m, recipe, {}), {{"a", 3e-4}, {"b", 0.2}, {"side", 0.5}, {"y", 0.2}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found.begin()->first, "a");
}

TEST(Blamed, IsAllThatAddsUpIfNobodyStandsOut) {
  const ir::Model m = line();
  const auto found = blamed(m, to_halves(m, {}, {}), {{"a", 4e-3}, {"b", 8e-3}, {"y", 0.012}});
  EXPECT_EQ(found.size(), 3u);
}

TEST(Blamed, IsNobodyWhereOutputsAreRight) {
  const ir::Model m = line();
  EXPECT_TRUE(blamed(m, to_halves(m, {}, {}), {{"a", 3e-4}, {"b", 0.2}, {"y", 5e-3}}).empty());
}

TEST(Numbers, InfiniteMasksBecomeTheLargestNumber) {
  const Tensor t = Tensor::of<float>({4}, {-std::numeric_limits<float>::max(), 1, -1e30F,
                                           -std::numeric_limits<float>::infinity()});
  const Tensor narrow = narrowed(t, DType::kFloat16, false);
  EXPECT_EQ(tensor::as_double(narrow, 0), -65504);
  EXPECT_EQ(tensor::as_double(narrow, 1), 1);
  EXPECT_EQ(tensor::as_double(narrow, 2), -65504);
  EXPECT_EQ(tensor::as_double(narrow, 3), -kInfinity);
  EXPECT_EQ(tensor::as_double(narrowed(t, DType::kFloat16, true), 0), -kInfinity);
  EXPECT_EQ(Numbers(DType::kFloat16, nullptr).against(t, "t"), "");
}

}  // namespace
}  // namespace tersor::quant
