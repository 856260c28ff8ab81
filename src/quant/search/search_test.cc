#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ops/testing_graph.h"
#include "quant/decisions.h"
#include "quant/search/changed_part.h"
#include "quant/search/fewest.h"

namespace tersor::quant {
namespace {

using ops::testing::Builder;
using ops::testing::residual_model;

std::vector<std::string> operators(const ir::Model& m) {
  std::vector<std::string> list;
  for (const ir::Node& node : m.graph.nodes) list.push_back(node.op);
  return list;
}

std::vector<std::string> outputs(const ir::Model& m) {
  std::vector<std::string> list;
  for (ir::ValueId id : m.graph.outputs) list.push_back(m.graph.values[id].name);
  return list;
}

// Statistics as if every value had been seen from -2 to 3.
stats::Statistics seen(const ir::Model& m, const Recipe& recipe) {
  stats::Statistics s;
  for (const auto& [name, axis] : points(m, recipe)) {
    const std::vector<float> values{-2, 0.5F, 3};
    s.tensors[name].add(values);
  }
  return s;
}

Recipe plain_recipe() {
  return {.calibrator = stats::parse_calibrator("minmax"), .bias_correct = false};
}

TEST(ChangedPart, OfEqualModelsIsNothing) {
  const ir::Model m = residual_model();
  ir::Model renamed = m;
  for (ir::Value& v : renamed.graph.values)
    if (v.name != "x" && v.name != "y") v.name += "_other";
  const ChangedPart part = changed_part(m, renamed);
  EXPECT_TRUE(part.model.graph.nodes.empty());
  EXPECT_TRUE(outputs(part.model).empty());
}

TEST(ChangedPart, BeginsWhereAWeightDiffers) {
  const ir::Model m = residual_model();
  ir::Model other = m;
  ir::Value& weight = other.graph.values[other.graph.find("c2_w")];
  weight.constant = ops::testing::random_tensor(weight.constant->dims(), 99);
  const ChangedPart part = changed_part(m, other);
  EXPECT_EQ(
      operators(part.model),
      (std::vector<std::string>{"Conv", "Add", "Relu", "GlobalAveragePool", "Flatten", "Gemm"}));
  EXPECT_EQ(part.feeds, (std::vector<std::string>{"r1"}));
  EXPECT_EQ(outputs(part.model), (std::vector<std::string>{"y"}));
  // What did not change is shared.
  const auto memory = [](const ir::Model& of) {
    return of.graph.constant(of.graph.find("g_w"))->buffer();
  };
  EXPECT_EQ(memory(part.model), memory(m));
}

TEST(ChangedPart, OfAQuantizedModelBeginsAtCodes) {
  const ir::Model m = residual_model();
  const Recipe recipe = plain_recipe();
  const stats::Statistics s = seen(m, recipe);
  const Decisions all = decide(m, s, recipe);
  Recipe less = recipe;
  less.left["c2"] = "for this test";
  const ChangedPart part = changed_part(apply(m, all), apply(m, decide(m, s, less, &all)));
  ASSERT_EQ(part.feeds, (std::vector<std::string>{"r1_q"}));
  EXPECT_EQ(part.model.graph.values[part.model.graph.inputs[0]].type.elem, DType::kUint8);
  const auto ops = operators(part.model);
  EXPECT_EQ(ops[0], "DequantizeLinear");
  EXPECT_EQ(std::ranges::count(ops, "Conv"), 1);
}

TEST(Recipe, LeavesLayersInFloatWithTheReason) {
  const ir::Model m = residual_model();
  Recipe recipe = plain_recipe();
  const stats::Statistics s = seen(m, recipe);
  const Decisions all = decide(m, s, recipe);
  recipe.left["c2"] = "for this test";
  const Decisions known = decide(m, s, recipe, &all), anew = decide(m, s, recipe);
  const auto it = std::ranges::find(anew.nodes, "c2", &NodeDecision::output);
  ASSERT_NE(it, anew.nodes.end());
  EXPECT_TRUE(it->weighted);
  EXPECT_FALSE(it->quantized);
  EXPECT_EQ(it->reason, "for this test");
  EXPECT_EQ(known.activations, anew.activations);
  ASSERT_EQ(known.nodes.size(), anew.nodes.size());
  for (size_t i = 0; i < known.nodes.size(); ++i) {
    EXPECT_EQ(known.nodes[i].output, anew.nodes[i].output);
    EXPECT_EQ(known.nodes[i].weight, anew.nodes[i].weight);
  }
}

// The accuracy holds with all of `needed` in float.
struct Oracle {
  std::set<size_t> needed;
  int limit = 1000, asked = 0;
  std::set<std::vector<size_t>> seen = {};
  Measure measure() {
    return [this](const std::vector<size_t>& left) -> std::optional<Outcome> {
      if (++asked > limit) return {};
      EXPECT_TRUE(std::ranges::is_sorted(left));
      EXPECT_TRUE(seen.insert(left).second) << "measured twice";
      const auto missing = std::ranges::count_if(
          needed, [&](size_t i) { return std::ranges::find(left, i) == left.end(); });
      return Outcome{missing == 0, static_cast<double>(missing)};
    };
  }
};
std::vector<size_t> backward(size_t n) {
  std::vector<size_t> order;
  for (size_t i = n; i-- > 0;) order.push_back(i);
  return order;
}

TEST(FewestInFloat, LeavesAloneWhatHolds) {
  Oracle oracle;
  const auto found = fewest_in_float(
      []() -> Orders {
        ADD_FAILURE() << "no order is needed";
        return {};
      },
      oracle.measure());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->left.empty());
  EXPECT_EQ(oracle.asked, 1);
}

TEST(FewestInFloat, FindsALayerAmongManyAndGivesOthersBack) {
  for (size_t needed = 0; needed < 50; ++needed) {
    Oracle oracle{{needed, 49}};
    const auto found = fewest_in_float([] { return Orders{backward(50)}; }, oracle.measure());
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->outcome.holds);
    EXPECT_EQ(found->left,
              needed == 49 ? std::vector<size_t>{49} : (std::vector<size_t>{needed, 49}));
  }
}

TEST(FewestInFloat, TakesTheBetterOfTwoOrders) {
  Oracle oracle{{0, 1}};
  std::vector<size_t> forward = backward(64);
  std::ranges::reverse(forward);
  const auto found = fewest_in_float(
      [&] {
        return Orders{backward(64), forward};
      },
      oracle.measure());
  EXPECT_EQ(found->left, (std::vector<size_t>{0, 1}));
  EXPECT_LT(oracle.asked, 25);
}

TEST(FewestInFloat, GivesTheBestSoFarWhenItIsStopped) {
  Oracle at_once{{3}, 0};
  const auto order = [] { return Orders{backward(8)}; };
  EXPECT_FALSE(fewest_in_float(order, at_once.measure()));
  Oracle early{{3, 6}, 3};  // nothing, 7, and 7 with 6
  const auto found = fewest_in_float(order, early.measure());
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->outcome.holds);
  EXPECT_EQ(found->left, (std::vector<size_t>{6, 7}));
  Oracle late{{3, 6}, 5};  // ... 7 to 4, and all
  EXPECT_TRUE(fewest_in_float(order, late.measure())->outcome.holds);
}

}  // namespace
}  // namespace tersor::quant
