// Lowering: whatever is fused or absorbed, a plan gives what the references give.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/session.h"
#include "ops/testing_graph.h"
#include "ops/testing_isas.h"

namespace tersor::engine {
namespace {

using ops::testing::Builder;
using ops::testing::machine_isas;
using ops::testing::random_tensor;
using ops::testing::residual_model;

std::vector<Tensor> run(const ir::Model& m, const std::vector<Tensor>& in,
                        const CompileOptions& options = {}) {
  return Session(compile(m, options)).run(in);
}

void expect_near(const Tensor& a, const Tensor& b, float tolerance) {
  ASSERT_EQ(a.dims(), b.dims());
  float largest = 0;
  for (float v : b.data<float>()) largest = std::max(largest, std::fabs(v));
  for (size_t i = 0; i < a.data<float>().size(); ++i)
    ASSERT_NEAR(a.data<float>()[i], b.data<float>()[i], tolerance * largest) << i;
}

const StepInfo* step(const Plan& plan, const std::string& name) {
  const auto it = std::ranges::find(plan.info, name, &StepInfo::name);
  return it == plan.info.end() ? nullptr : &*it;
}

TEST(Lowering, FusedPlansEqualTheReferences) {
  const ir::Model m = residual_model();
  for (int64_t n : {1, 3}) {
    const std::vector<Tensor> in{random_tensor({n, 3, 8, 8}, 1)};
    const Tensor want = ops::interpret(m.graph, m, in)[0];
    CompileOptions plain;
    plain.fuse = false;
    expect_near(run(m, in)[0], want, 1e-5F);
    expect_near(run(m, in, plain)[0], want, 1e-5F);
  }
}

TEST(Lowering, ResidualKeepsTheActivationOfItsSum) {
  const ir::Model m = residual_model();
  const auto plan = compile(m);
  const StepInfo* c2 = step(*plan, "node_c2");
  ASSERT_NE(c2, nullptr);
  EXPECT_NE(c2->note.find("residual"), std::string::npos);
  EXPECT_EQ(step(*plan, "node_sum"), nullptr);
  EXPECT_EQ(step(*plan, "node_r2"), nullptr);
}

// Casts around an attention whose scores are scaled and masked: [2, 3, 5, 5].
ir::Model masked_attention(DType type) {
  Builder b;
  const auto cast = [&](ir::ValueId x, DType to, const std::string& name) {
    const auto y = b.op("Cast", {x}, name);
    b.last().set("to", static_cast<int64_t>(to));
    return y;
  };
  const auto number = [&](const std::string& name, float v) {
    return b.constant(name, tensor::cast(Tensor::scalar(v), type));
  };
  const auto q = cast(b.input("q", {2, 3, 5, 8}), type, "q_half");
  const auto k = cast(b.input("k", {2, 3, 8, 5}), type, "k_half");
  const auto keep = b.constant("keep", Tensor::of<bool>({5}, {true, true, false, true, true}));
  const auto scores = b.op("Mul", {b.op("MatMul", {q, k}, "scores"), number("s", 0.25F)}, "scaled");
  const auto masked = b.op("Where", {keep, scores, number("fill", -60000.0F)}, "masked");
  const auto y = b.op("Softmax", {masked}, "chances");
  b.last().set("axis", int64_t{-1});
  return b.finish({cast(y, DType::kFloat32, "y")});
}

TEST(Lowering, ScaleAndMaskOfASoftmaxAreFusedInEveryFloat) {
  const std::vector<Tensor> in{random_tensor({2, 3, 5, 8}, 1), random_tensor({2, 3, 8, 5}, 2)};
  const std::map<DType, float> bounds = {
      {DType::kFloat32, 1e-5F}, {DType::kFloat16, 4e-3F}, {DType::kBfloat16, 3e-2F}};
  const ir::Model exact = masked_attention(DType::kFloat32);
  const Tensor want = ops::interpret(exact.graph, exact, in)[0];
  for (const auto& [type, bound] : bounds) {
    const ir::Model m = masked_attention(type);
    const auto plan = compile(m);
    ASSERT_NE(step(*plan, "node_chances"), nullptr);
    EXPECT_EQ(step(*plan, "node_chances")->op, "MaskedSoftmax");
    EXPECT_EQ(step(*plan, "node_masked"), nullptr);
    expect_near(run(m, in)[0], want, bound);
  }
}

TEST(Lowering, KeptValuesAreThereAndUnchanged) {
  const ir::Model m = residual_model();
  const std::vector<Tensor> in{random_tensor({2, 3, 8, 8}, 2)};
  ir::Model open = m;
  CompileOptions options;
  std::map<std::string, Tensor> want;
  for (const char* name : {"c1", "r1", "c2", "sum", "r2", "pool"}) {
    options.keep.insert(name);
    open.graph.outputs = {open.graph.find(name)};
    want[name] = ops::interpret(open.graph, open, in)[0];
  }
  const Session session(compile(m, options));
  std::map<std::string, Tensor> seen;
  session.run(in, [&](const TapView& view) { seen[view.name] = view.to_rows(); });
  ASSERT_EQ(seen.size(), want.size());
  for (const auto& [name, t] : want) expect_near(seen.at(name), t, 1e-5F);
}

// x -> Q -> DQ -> MaxPool -> Conv -> Q -> DQ: what other tools write, with the pooling left in
// float.
ir::Model pooled_model() {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 4, 8, 8});
  const auto sx = b.constant("sx", Tensor::scalar(0.02F)),
             zx = b.constant("zx", Tensor::scalar<uint8_t>(128));
  const auto dq =
      b.op("DequantizeLinear", {b.op("QuantizeLinear", {x, sx, zx}, "q"), sx, zx}, "dq");
  const auto pool = b.op("MaxPool", {dq}, "pool");
  b.last().set("kernel_shape", std::vector<int64_t>{2, 2});
  b.last().set("strides", std::vector<int64_t>{2, 2});
  Tensor w = Tensor::empty(DType::kInt8, {6, 4, 3, 3});
  for (size_t i = 0; i < w.mutable_data<int8_t>().size(); ++i)
    w.mutable_data<int8_t>()[i] = static_cast<int8_t>(static_cast<int>(i * 37 % 255) - 127);
  const auto sw = b.constant("sw", Tensor::scalar(0.01F)),
             zw = b.constant("zw", Tensor::scalar<int8_t>(0));
  const auto weight = b.op("DequantizeLinear", {b.constant("w", w), sw, zw}, "w_dq");
  const auto y = b.op("Conv", {pool, weight}, "y");
  const auto sy = b.constant("sy", Tensor::scalar(0.1F));
  return b.finish(
      {b.op("DequantizeLinear", {b.op("QuantizeLinear", {y, sy, zx}, "yq"), sy, zx}, "out")});
}

TEST(Lowering, MovesCodesThroughPooling) {
  const ir::Model m = pooled_model();
  const auto plan = compile(m);
  ASSERT_NE(step(*plan, "node_pool"), nullptr);
  EXPECT_TRUE(step(*plan, "node_pool")->integer);
  EXPECT_TRUE(step(*plan, "node_y")->integer);
  EXPECT_EQ(step(*plan, "node_dq"), nullptr);
  const std::vector<Tensor> in{random_tensor({2, 4, 8, 8}, 3)};
  const Tensor want = ops::interpret(m.graph, m, in)[0], got = run(m, in)[0];
  // One step of the output at most.
  for (size_t i = 0; i < got.data<float>().size(); ++i)
    ASSERT_NEAR(got.data<float>()[i], want.data<float>()[i], 0.1001F);
  CompileOptions floats;
  floats.integers = false;
  const Tensor plain = run(m, in, floats)[0];
  for (size_t i = 0; i < plain.data<float>().size(); ++i)
    ASSERT_NEAR(plain.data<float>()[i], want.data<float>()[i], 0.1001F);
}

// conv -> activation -> Q -> DQ: what is in front of the activation is not quantized.
ir::Model activated_model(const std::string& activation) {
  Builder b(20);
  const auto x = b.conv(b.input("x", {ir::Dim("N"), 4, 8, 8}), 4, 6, "conv");
  const auto a = b.op(activation, {x}, "a");
  const auto s = b.constant("s", Tensor::scalar(0.03F)),
             z = b.constant("z", Tensor::scalar<int8_t>(-20));
  return b.finish({b.op("DequantizeLinear", {b.op("QuantizeLinear", {a, s, z}, "q"), s, z}, "y")});
}

TEST(Lowering, ActivationsOfRealNumbersGiveCodes) {
  const std::vector<Tensor> in{random_tensor({2, 4, 8, 8}, 5)};
  CompileOptions floats;
  floats.integers = false;
  // Selu has no kernel: it stays as it is.
  for (const char* activation : {"Gelu", "HardSwish", "Selu"}) {
    const ir::Model m = activated_model(activation);
    const auto plan = compile(m);
    EXPECT_EQ(step(*plan, "node_q") == nullptr, activation != std::string("Selu")) << activation;
    EXPECT_TRUE(tensor::same(run(m, in)[0], run(m, in, floats)[0])) << activation;
  }
}

// x -> Q -> DQ -> MatMul, Add -> activation, and -> Q -> DQ if `gives_codes`.
ir::Model multiplied_model(const std::string& activation, bool gives_codes) {
  constexpr int64_t kInputs = 70, kOutputs = 300;
  Builder b(20);
  const auto x = b.input("x", {ir::Dim("N"), ir::Dim("M"), kInputs});
  const auto scale = [&](const char* name, float v) { return b.constant(name, Tensor::scalar(v)); };
  const auto z = b.constant("z", Tensor::scalar<uint8_t>(120));
  const auto sx = scale("sx", 0.03F), sy = scale("sy", 0.02F);
  const auto xq = b.op("DequantizeLinear", {b.op("QuantizeLinear", {x, sx, z}, "xq"), sx, z}, "dq");
  Tensor w = Tensor::empty(DType::kInt8, {kInputs, kOutputs});
  for (size_t i = 0; i < w.mutable_data<int8_t>().size(); ++i)
    w.mutable_data<int8_t>()[i] = static_cast<int8_t>(static_cast<int>(i * 37 % 255) - 127);
  const auto weight = b.op("DequantizeLinear", {b.constant("w", w), scale("sw", 0.004F)}, "w_dq");
  const auto product = b.op("MatMul", {xq, weight}, "product");
  const auto sum = b.op("Add", {product, b.weight("bias", {kOutputs})}, "sum");
  const auto y = b.op(activation, {sum}, "activation");
  if (!gives_codes) return b.finish({y});
  return b.finish(
      {b.op("DequantizeLinear", {b.op("QuantizeLinear", {y, sy, z}, "yq"), sy, z}, "y")});
}

TEST(Lowering, ProductsAreMappedWhileTheyAreNear) {
  for (const char* activation : {"Gelu", "Tanh"})
    for (bool gives_codes : {true, false}) {
      const ir::Model m = multiplied_model(activation, gives_codes);
      for (base::Isa isa : machine_isas()) {
        CompileOptions options;
        options.isa = base::up_to(isa);
        CompileOptions apart = options;
        apart.keep.insert("sum");
        for (int threads : {1, 3})
          for (const Dims& dims : {Dims{1, 7, 70}, Dims{3, 150, 70}}) {
            const Session one(m, options, {.threads = threads}), two(m, apart, {.threads = 1});
            const StepInfo& product = *step(one.plan(), "node_product");
            // Magnitudes would be prepared for each block.
            const bool merges = product.kernel.find("magnitudes") == std::string::npos;
            EXPECT_EQ(step(one.plan(), "node_activation") == nullptr, merges);
            EXPECT_EQ(product.note.find(activation) != std::string::npos, merges);
            ASSERT_NE(step(two.plan(), "node_activation"), nullptr);
            const std::vector<Tensor> in{random_tensor(dims, 6)};
            EXPECT_TRUE(tensor::same(one.run(in)[0], two.run(in)[0]))
                << activation << " " << base::name(isa) << " " << threads;
          }
      }
    }
}

// q, k, v [N, M, heads, 8] -> Transpose each -> q k^T -> Softmax -> times v -> Transpose back;
// queries and keys in 8 bits if asked.
ir::Model attention_model(int64_t heads, bool in_bytes) {
  Builder b(20);
  const auto s = b.constant("s", Tensor::scalar(0.03F)),
             z = b.constant("z", Tensor::scalar<uint8_t>(128));
  const auto part = [&](const std::string& name, std::vector<int64_t> perm, bool bytes) {
    auto x = b.input(name, {ir::Dim("N"), ir::Dim("M"), heads, 8});
    const auto quantized = [&](const std::string& at) {
      x = b.op("DequantizeLinear", {b.op("QuantizeLinear", {x, s, z}, at + "_q"), s, z},
               at + "_dq");
    };
    if (bytes) quantized(name);
    x = b.op("Transpose", {x}, name + "_heads");
    b.last().set("perm", std::move(perm));
    if (bytes) quantized(name + "_heads");
    return x;
  };
  const auto q = part("q", {0, 2, 1, 3}, in_bytes), k = part("k", {0, 2, 3, 1}, in_bytes);
  const auto v = part("v", {0, 2, 1, 3}, false);
  const auto p = b.op("Softmax", {b.op("MatMul", {q, k}, "scores")}, "p");
  const auto y = b.op("Transpose", {b.op("MatMul", {p, v}, "values")}, "y");
  b.last().set("perm", std::vector<int64_t>{0, 2, 1, 3});
  return b.finish({y});
}

TEST(Lowering, HeadsOfAnAttentionAreReadWhereTheyLie) {
  for (const bool in_bytes : {false, true})
    for (const int64_t heads : {1, 3}) {
      const ir::Model m = attention_model(heads, in_bytes);
      for (base::Isa isa : machine_isas()) {
        CompileOptions options;
        options.isa = base::up_to(isa);
        CompileOptions plain = options;
        plain.fuse = false;
        for (const Dims& dims :
             {Dims{1, 1, heads, 8}, Dims{2, 37, heads, 8}, Dims{1, 64, heads, 8}}) {
          const std::vector<Tensor> in{random_tensor(dims, 1), random_tensor(dims, 2),
                                       random_tensor(dims, 3)};
          const Session one(m, options, {.threads = 3}), two(m, plain, {.threads = 1});
          for (const char* name : {"node_q_heads", "node_k_heads", "node_v_heads", "node_y"}) {
            EXPECT_EQ(step(one.plan(), name), nullptr) << name;
            EXPECT_NE(step(two.plan(), name), nullptr) << name;
          }
          EXPECT_TRUE(tensor::same(one.run(in)[0], two.run(in)[0]))
              << heads << " " << in_bytes << " " << base::name(isa) << " " << dims[1];
        }
      }
    }
}

TEST(Lowering, GivesTheSameOnEveryInstructionSet) {
  const ir::Model m = pooled_model();
  const std::vector<Tensor> in{random_tensor({3, 4, 8, 8}, 4)};
  CompileOptions portable;
  portable.isa = base::up_to(base::Isa::portable);
  const Tensor want = run(m, in, portable)[0];
  for (base::Isa isa : machine_isas()) {
    CompileOptions options;
    options.isa = base::up_to(isa);
    EXPECT_TRUE(tensor::same(run(m, in, options)[0], want)) << base::name(isa);
  }
}

TEST(Lowering, BindsTheSameStepsOnAnyNumberOfThreads) {
  for (const ir::Model& m : {residual_model(), pooled_model()}) {
    const int64_t channels = m.graph.values[m.graph.inputs[0]].type.shape->at(1).value;
    const std::vector<Tensor> in{random_tensor({2, channels, 8, 8}, 7)};
    const Session one(m, {}, {.threads = 1}), some(m, {}, {.threads = 4});
    ASSERT_EQ(one.plan().info.size(), some.plan().info.size());
    for (size_t i = 0; i < one.plan().info.size(); ++i) {
      EXPECT_EQ(one.plan().info[i].name, some.plan().info[i].name);
      EXPECT_EQ(one.plan().info[i].kernel, some.plan().info[i].kernel);
    }
    EXPECT_TRUE(tensor::same(one.run(in)[0], some.run(in)[0]));
  }
}

TEST(Lowering, UnloadsAConstantWhenItsLastReaderHasPackedIt) {
  Builder b;
  const auto x = b.input("x", {1, 4, 6, 6});
  int fetched = 0;
  const auto weights = Buffer::deferred(4 * 4 * 9 * sizeof(float), [&](std::byte* to) {
    ++fetched;
    std::fill_n(reinterpret_cast<float*>(to), 4 * 4 * 9, 0.5F);
  });
  const auto w = b.constant("w", Tensor(DType::kFloat32, {4, 4, 3, 3}, weights));
  const ir::Model m = b.finish({b.op("Conv", {b.op("Conv", {x, w}, "first"), w}, "second")});
  CompileOptions options;
  options.unload = true;
  const Session session(m, options, {.threads = 3});
  EXPECT_EQ(fetched, 1);
  const std::vector<Tensor> in{random_tensor({1, 4, 6, 6}, 8)};
  EXPECT_EQ(session.run(in)[0].dims(), (Dims{1, 4, 2, 2}));
  weights->data();
  EXPECT_EQ(fetched, 2);
}

TEST(Lowering, GraphOutputsAndInputsKeepTheirNames) {
  Builder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto c = b.conv(x, 3, 4, "c");
  const ir::Model m = b.finish({c, b.op("Relu", {c}, "r")});
  const auto plan = compile(m);
  EXPECT_EQ(plan->output_names, (std::vector<std::string>{"c", "r"}));
  const std::vector<Tensor> in{random_tensor({1, 3, 8, 8}, 5)};
  const auto got = run(m, in), want = ops::interpret(m.graph, m, in);
  for (size_t i = 0; i < 2; ++i) expect_near(got[i], want[i], 1e-5F);
}

TEST(Session, NamesAnInputThatDoesNotFit) {
  const Session session(compile(residual_model()));
  const std::vector<Tensor> in{random_tensor({1, 3, 8, 9}, 6)};
  try {
    session.run(in);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), "E26");
    EXPECT_NE(e.sentence().find("[1, 3, 8, 9]"), std::string::npos);
  }
}

}  // namespace
}  // namespace tersor::engine
