#include "quant/explain/explain.h"

#include <gtest/gtest.h>

#include "ops/testing_graph.h"
#include "quant/explain/notes.h"

namespace tersor::quant {
namespace {

using ops::testing::Builder;

// x, quantized; Conv with int8 weights; Relu, quantized; MaxPool, quantized; Conv in float.
ir::Model small_model(const std::string& last = "y") {
  Builder b;
  const auto x = b.input("x", {1, 2, 8, 8});
  const auto s = b.constant("s", Tensor::scalar(0.5F));
  const auto z = b.constant("z", Tensor::scalar<uint8_t>(10));
  const auto pair = [&](ir::ValueId v, const std::string& name) {
    return b.op("DequantizeLinear", {b.op("QuantizeLinear", {v, s, z}, name + "_q"), s, z},
                name + "_d");
  };
  const auto ws = b.constant("ws", Tensor::of<float>({4}, {1, 2, 3, 4}));
  const auto codes = b.constant("w", Tensor::zeros(DType::kInt8, {4, 2, 16, 16}));
  const auto xd = pair(x, "x");
  const auto w = b.op("DequantizeLinear", {codes, ws}, "w_d");
  b.last().set("axis", int64_t{0});
  const auto c = b.op("Conv", {xd, w}, "c");
  b.last().set("pads", std::vector<int64_t>{8, 8, 8, 8});
  const auto r = pair(b.op("Relu", {c}, "r"), "r");
  const auto m = b.op("MaxPool", {r}, "m");
  b.last().set("kernel_shape", std::vector<int64_t>{1, 1});
  return b.finish({b.op("Conv", {pair(m, "m"), b.weight("fw", {3, 4, 1, 1})}, last)});
}

Notes notes_of_small_model() {
  Notes n;
  n.version = "1.2.3";
  n.recipe = "int8 mse per-channel";
  n.source = "0123456789abcdef";
  n.data = "resize 28, gray";
  n.fingerprint = "fedcba";
  n.samples = 40;
  n.values = {ValueNote{-5, 100.25, 0.001}, ValueNote{0, 7, 0}, std::nullopt};
  n.layers = {41.25};
  n.kept = {{"y", "kept as asked"}};
  return n;
}

TEST(Explain, ReadsTheGraphOfAnyModel) {
  const Explanation e = explain(small_model());
  EXPECT_EQ(e.version, "");
  EXPECT_FALSE(e.changed);
  ASSERT_EQ(e.values.size(), 3U);
  EXPECT_EQ(e.values[0].tensor, "x");
  EXPECT_EQ(e.values[0].why, "input of the model");
  EXPECT_EQ(e.values[0].lo, -5);
  EXPECT_EQ(e.values[0].hi, 122.5);
  EXPECT_EQ(e.values[1].why, "it ends a Relu");
  EXPECT_EQ(e.values[2].why, "shares the format of 'r', whose values it moves");
  EXPECT_FALSE(e.values[0].min);
  ASSERT_EQ(e.layers.size(), 2U);
  EXPECT_TRUE(e.layers[0].quantized);
  EXPECT_EQ(e.layers[0].weights, "int8, 4 scales along axis 0");
  EXPECT_FALSE(e.layers[1].quantized);
  EXPECT_EQ(e.layers[1].weights, "float32");
  EXPECT_TRUE(explain(ops::testing::residual_model()).values.empty());
}

TEST(Explain, AddsWhatTheNotesSay) {
  ir::Model m = small_model();
  m.metadata.emplace_back("tersor.recipe", "an older one");
  m.metadata.emplace_back("author", "somebody");
  write_notes(m, notes_of_small_model());
  // At most 2 % of the tensors, apart from what is always there.
  const Explanation e = explain(m);
  EXPECT_EQ(e.version, "1.2.3");
  EXPECT_EQ(e.recipe, "int8 mse per-channel");
  EXPECT_EQ(m.metadata.front().second, "somebody");

  ir::Model big = small_model();
  big.graph.add_constant("much", Tensor::zeros(DType::kFloat32, {100000}));
  write_notes(big, notes_of_small_model());
  const Explanation all = explain(big);
  EXPECT_EQ(all.source, "0123456789abcdef");
  EXPECT_EQ(all.data, "resize 28, gray");
  EXPECT_EQ(all.fingerprint, "fedcba");
  EXPECT_EQ(all.samples, 40);
  EXPECT_FALSE(all.synthetic);
  EXPECT_FALSE(all.changed);
  EXPECT_EQ(all.values[0].max, 100.2);
  EXPECT_EQ(all.values[1].clipped_share, 0.0);
  EXPECT_FALSE(all.values[2].min);
  EXPECT_EQ(all.layers[0].weight_sqnr_db, 41.2);
  EXPECT_EQ(all.layers[1].reason, "kept as asked");
}

TEST(Explain, TakesNotesForNoOtherGraph) {
  ir::Model m = small_model();
  m.graph.add_constant("much", Tensor::zeros(DType::kFloat32, {100000}));
  write_notes(m, notes_of_small_model());
  for (ir::Value& v : m.graph.values)
    if (v.name == "r") v.name = "other";
  const Explanation e = explain(m);
  EXPECT_TRUE(e.changed);
  EXPECT_FALSE(e.values[0].min);
  EXPECT_EQ(e.recipe, "int8 mse per-channel");
}

TEST(Explain, TakesMalformedNotes) {
  for (const char* text :
       {"", " ", ",", "- - -", "12345678 nan,inf,1 1,2 ,,", "\t\n\t", "a b c d"}) {
    ir::Model m = small_model();
    for (const char* key : {"tersor.values", "tersor.layers", "tersor.kept", "tersor.data"})
      m.metadata.emplace_back(key, text);
    const Explanation e = explain(m);
    EXPECT_EQ(e.values.size(), 3U);
    for (const ValueExplanation& v : e.values) EXPECT_FALSE(v.min) << text;
  }
}

TEST(Notes, TakeTwoPercent) {
  ir::Model m = small_model();
  Notes n = notes_of_small_model();
  for (int i = 0; i < 1000; ++i) n.kept["output " + std::to_string(i)] = "a long reason";
  const size_t tensors = 100000;
  m.graph.add_constant("much", Tensor::zeros(DType::kUint8, {tensors}));
  write_notes(m, n);
  size_t bytes = 0;
  for (const auto& [key, value] : m.metadata) bytes += key.size() + value.size();
  EXPECT_LE(bytes, (tensors + 10000) / 50);
  EXPECT_TRUE(read_notes(m).kept.empty());
  EXPECT_EQ(read_notes(m).values.size(), 3U);
}

}  // namespace
}  // namespace tersor::quant
