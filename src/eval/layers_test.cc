#include "eval/layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "eval/compare.h"
#include "eval/testing.h"

namespace tersor::eval {
namespace {

TEST(Layers, AreComparedWithTheirCodes) {
  const ir::Model m = residual_model(), q = quantized(m);
  Options options;
  options.layers = true;
  const auto data = samples(m, 10);
  const Comparison c = compare(m, q, *data, options);
  ASSERT_GE(c.layers.size(), 4U);
  for (const LayerComparison& l : c.layers) {
    EXPECT_GT(l.sqnr_db, 20) << l.value;
    EXPECT_TRUE(std::isfinite(l.sqnr_db)) << l.value;
    EXPECT_GT(l.cosine, 0.99) << l.value;
  }
  EXPECT_EQ(c.layers.back().value, "y");
  // A look at the layers changes nothing.
  const auto again = samples(m, 10);
  EXPECT_NEAR(compare(m, q, *again, {}).outputs[0].sqnr_db, c.outputs[0].sqnr_db, 1e-3);
}

TEST(Layers, KeepTheIntegersOfThePlan) {
  const ir::Model m = residual_model(), q = quantized(m);
  const auto integers = [&](std::set<std::string> keep) {
    engine::CompileOptions options;
    options.keep = std::move(keep);
    return std::ranges::count(engine::compile(q, options)->info, true, &engine::StepInfo::integer);
  };
  const LayerDifferences layers(common_layers(m.graph, q.graph));
  EXPECT_GT(integers({}), 2);
  EXPECT_EQ(integers(layers.keep_of_other()), integers({}));
  const LayerDifferences twice(common_layers(q.graph, q.graph));
  EXPECT_EQ(integers(twice.keep_of_original()), integers({}));
}

TEST(Layers, DequantizeWhatRunsAsItIsWritten) {
  // Softmax has no integer form here: its QuantizeLinear is a step of its own.
  const ir::Model m = classifier(false);
  ir::Model q = classifier(true);
  for (ir::Value& v : q.graph.values)
    if (v.name == "y")
      v.name = "y_dq";
    else if (v.name == "p")
      v.name = "y";
  const std::vector<Layer> layers = common_layers(m.graph, q.graph);
  ASSERT_FALSE(layers.empty());
  EXPECT_EQ(layers.back().value, "y");
  EXPECT_EQ(layers.back().other.name, "codes");
  LayerDifferences differences(layers);
  const std::vector<Tensor> in{random_tensor({3, 6}, 5)};
  engine::CompileOptions keep_a, keep_b;
  keep_a.keep = differences.keep_of_original();
  keep_b.keep = differences.keep_of_other();
  engine::Session(engine::compile(m, keep_a)).run(in, differences.remember());
  engine::Session(engine::compile(q, keep_b)).run(in, differences.compare());
  const stats::Difference& d = differences[layers.size() - 1];
  EXPECT_EQ(d.count(), 3U * 40);
  EXPECT_LE(d.max_abs(), 0.0201);
  EXPECT_GT(d.max_abs(), 0);
}

}  // namespace
}  // namespace tersor::eval
