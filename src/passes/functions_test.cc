// Calls of the model's functions become the functions' nodes.
#include "base/error.h"
#include "ops/infer.h"
#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;
using Ints = std::vector<int64_t>;

// Functions are made by hand here, without the serialized form that a reader keeps: checked without
// writing.
ir::Function& add_function(Build& m, const std::string& name, int64_t opset = 17) {
  m.model.opsets["d"] = 1;
  ir::Function& f = m.model.functions.emplace_back();
  f.name = name;
  f.domain = "d";
  f.opsets[""] = opset;
  f.opsets["d"] = 1;
  f.body.name = name;
  return f;
}

ir::Node& call(Build& m, const std::string& name, Ids inputs, const std::string& output) {
  m.b.output(m.b.add(name, std::move(inputs)), output);
  m.model.graph.nodes.back().domain = "d";
  return m.model.graph.nodes.back();
}

Report simplify_and_compare(const ir::Model& model, ir::Model& done,
                            const std::vector<Tensor>& inputs, const std::vector<Tensor>& want) {
  done = model;
  const Report report = simplify(done, {.verify_each = true});
  EXPECT_TRUE(done.functions.empty());
  const std::vector<Tensor> got = ops::interpret(done.graph, done, inputs);
  EXPECT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size() && i < want.size(); ++i)
    EXPECT_LE(difference(got[i], want[i]), 1e-6);
  EXPECT_EQ(simplify(done).steps, 0);
  return report;
}

Tensor map(const Tensor& x, float (*f)(float)) {
  Tensor y = Tensor::empty(DType::kFloat32, x.dims());
  for (int64_t i = 0; i < x.count(); ++i)
    y.mutable_data<float>()[static_cast<size_t>(i)] = f(x.data<float>()[static_cast<size_t>(i)]);
  return y;
}

TEST(InlineFunctions, AttributesOfTheCallAndDefaults) {
  Build m;
  const ir::ValueId x = m.b.input("x", {6});
  ir::Function& f = add_function(m, "Slope");
  GraphBuilder fb(f.body);
  const ir::ValueId a = fb.input("a", {6});
  const ir::ValueId b = fb.add("LeakyRelu", {a});
  f.body.nodes.back().attributes.push_back({"alpha", ir::Attribute::Reference{"slope", 1}, {}});
  fb.output(b, "b");
  f.defaults.push_back({"slope", 0.5F, {}});
  call(m, "Slope", {x}, "y");
  call(m, "Slope", {x}, "z").set("slope", 0.25F);
  const Tensor in = floats({6}, 1, -2, 2);
  ir::Model done;
  simplify_and_compare(m.model, done, {in},
                       {map(in, [](float v) { return v < 0 ? 0.5F * v : v; }),
                        map(in, [](float v) { return v < 0 ? 0.25F * v : v; })});
  EXPECT_EQ(count(done, "LeakyRelu"), 2);
}

TEST(InlineFunctions, NestedCallsOptionalInputsAndSharedOutputs) {
  Build m;
  const ir::ValueId x = m.b.input("x", {6});
  {
    ir::Function& inner = add_function(m, "Limit");
    GraphBuilder b(inner.body);
    const ir::ValueId v = b.input("v", {6}), low = b.input("low", {}), high = b.input("high", {});
    b.output(b.add("Clip", {v, low, high}), "r");
    inner.body.nodes.back().name = "clip";
  }
  {
    // Its outputs are an input, and one value twice.
    ir::Function& outer = add_function(m, "Three");
    GraphBuilder b(outer.body);
    const ir::ValueId v = b.input("v", {6});
    const ir::ValueId one = b.add("Constant", {}, {{"value", number(1)}});
    const ir::ValueId r = b.add("Limit", {v, ir::kNone, one});
    outer.body.nodes.back().domain = "d";
    b.output(v, "v");
    b.output(r, "r");
    outer.body.outputs.push_back(r);
  }
  const Ids out = m.b.add_many("Three", {x}, 3);
  m.model.graph.nodes.back().domain = "d";
  for (size_t i = 0; i < 3; ++i) m.b.output(out[i], "y" + std::to_string(i));
  const Tensor in = floats({6}, 1, -2, 2),
               limited = map(in, [](float v) { return std::min(v, 1.0F); });
  ir::Model done;
  simplify_and_compare(m.model, done, {in}, {in, limited, limited});
}

TEST(InlineFunctions, CallsInBodiesAndBodiesInFunctions) {
  Build m;
  m.b.input("x", {6});
  const ir::ValueId c = m.b.input("c", {}, DType::kBool);
  {
    ir::Function& f = add_function(m, "Choose");
    GraphBuilder b(f.body);
    b.input("v", {6});
    const ir::ValueId flag = b.input("flag", {}, DType::kBool);
    const auto branch = [&](const char* op) {
      return body(op, [&](GraphBuilder& i) { i.output(i.add(op, {i.capture("v")}), "o_"s + op); });
    };
    b.output(b.add("If", {flag}, {{"then_branch", branch("Neg")}, {"else_branch", branch("Abs")}}),
             "r");
  }
  const auto branch = [&](const std::string& name) {
    return body(name, [&](GraphBuilder& i) {
      const ir::ValueId r = i.add("Choose", {i.capture("x"), i.capture("c")});
      i.graph().nodes.back().domain = "d";
      i.output(name == "then" ? r : i.add("Exp", {r}), "o" + name);
    });
  };
  m.b.output(m.b.add("If", {c}, {{"then_branch", branch("then")}, {"else_branch", branch("else")}}),
             "y");
  const Tensor in = floats({6}, 1, -2, 2);
  ir::Model done;
  simplify_and_compare(m.model, done, {in, Tensor::scalar(true)},
                       {map(in, [](float v) { return -v; })});
  simplify_and_compare(m.model, done, {in, Tensor::scalar(false)},
                       {map(in, [](float v) { return std::exp(std::abs(v)); })});
}

TEST(InlineFunctions, OfOtherOpsetsAreRaised) {
  for (int64_t model_opset : {11, 13, 17})
    for (int64_t function_opset : {11, 13, 17}) {
      Build m(model_opset);
      const ir::ValueId x = m.b.input("x", {2, 3});
      ir::Function& f = add_function(m, "Up", function_opset);
      GraphBuilder b(f.body);
      const ir::ValueId v = b.input("v", {2, 3});
      if (function_opset < 13) {
        b.output(b.add("Unsqueeze", {v}, {{"axes", Ints{0}}}), "r");
      } else {
        b.output(b.add("Unsqueeze", {v, b.add("Constant", {}, {{"value", ints({0})}})}), "r");
      }
      call(m, "Up", {x}, "y");
      m.b.output(model_opset < 13
                     ? m.b.add("Squeeze", {m.b.add("Up", {x})}, {{"axes", Ints{0}}})
                     : m.b.add("Squeeze", {m.b.add("Up", {x}), m.b.constant(ints({0}))}),
                 "z");
      m.model.graph.nodes[1].domain = "d";
      const Tensor in = floats({2, 3}, 1);
      ir::Model done;
      simplify_and_compare(m.model, done, {in}, {in.reshaped({1, 2, 3}), in});
      EXPECT_EQ(done.opset(), std::max(model_opset, function_opset));
    }
}

TEST(InlineFunctions, RecursionAndExplosionAreRefused) {
  Build m;
  ir::Function& f = add_function(m, "Self");
  GraphBuilder b(f.body);
  b.output(b.add("Self", {b.input("v", {6})}), "r");
  f.body.nodes.back().domain = "d";
  call(m, "Self", {m.b.input("x", {6})}, "y");
  EXPECT_THROW(simplify(m.model), Error);

  Build e;
  for (int level = 0; level < 40; ++level) {
    ir::Function& g = add_function(e, "F" + std::to_string(level));
    GraphBuilder gb(g.body);
    ir::ValueId v = gb.input("v", {6});
    for (int i = 0; i < 2; ++i) {
      v = gb.add(level == 0 ? "Neg" : "F" + std::to_string(level - 1), {v});
      if (level > 0) g.body.nodes.back().domain = "d";
    }
    gb.output(v, "r");
  }
  call(e, "F39", {e.b.input("x", {6})}, "y");
  EXPECT_THROW(simplify(e.model), Error);
}

TEST(InlineFunctions, UnusedOnesGo) {
  Build m;
  add_function(m, "Nobody");
  m.b.output(m.b.add("Exp", {m.b.input("x", {6})}), "y");
  ir::Model done = m.model;
  simplify(done);
  EXPECT_TRUE(done.functions.empty());
}

}  // namespace
}  // namespace tersor::passes::testing
