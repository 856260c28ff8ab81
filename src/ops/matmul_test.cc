// Bound products against the references on random shapes: integers exactly, floats within the error
// of a sum.
#include "ops/detail/testing_weighted.h"

namespace tersor::ops::testing {
namespace {

struct Shapes {
  Dims a, b;
};
const std::vector<Shapes> kShapes = {{{5, 7}, {7, 9}},
                                     {{1, 64}, {64, 33}},
                                     {{33, 130}, {130, 70}},
                                     {{2, 3, 5, 8}, {8, 6}},
                                     {{2, 3, 5, 8}, {2, 3, 8, 6}},
                                     {{3, 5, 8}, {2, 1, 8, 6}},
                                     {{4}, {4, 3}},
                                     {{2, 5, 4}, {4}},
                                     {{4}, {4}},
                                     {{40, 5, 4}, {40, 4, 17}},
                                     {{0, 4}, {4, 3}},
                                     {{3, 0}, {0, 2}}};

double error_of(const Dims& a) {
  const auto k = static_cast<double>(a.back() + 2);
  return k * k * 1.2e-7;
}

TEST(MatMulBind, FloatsEqualTheReference) {
  Random r(3);
  for (const Shapes& s : kShapes)
    for (bool constant : {false, true})
      for (DType type : kFloatTypes) {
        const auto floats = [&](const Dims& dims) { return rounded(r.floats(dims), type); };
        const Tensor a = floats(s.a), b = floats(s.b);
        const Tensor want = run("MatMul", 13, {a, b})[0];
        const StepCase c{
            .op = "MatMul", .inputs = {{a}, {b, {}, constant}}, .out_rank = want.rank()};
        for (base::Isa isa : machine_isas())
          for (int threads : {1, 3})
            expect_near(run_step(in_type(c, type), isa, threads), want, error_of(s.a),
                        tensor::to_string(s.a) + tensor::to_string(s.b));
        if (s.b.size() < 2 || s.a.size() < 2) continue;
        const Tensor bias = floats({s.b.back()});
        const Tensor sum =
            run("Clip", 13, {run("Add", 13, {want, bias})[0], Tensor::scalar(-0.5F)})[0];
        StepCase f = c;
        f.inputs.push_back({bias, {}, true});
        f.attributes = {{"clip_min", -0.5F}};
        expect_near(run_step(in_type(f, type), machine_isas().back()), sum, error_of(s.a),
                    "bias and clip");
      }
}

TEST(MatMulBind, BytesEqualTheDefinition) {
  Random r(4);
  for (int round = 0; round < 3; ++round)
    for (const Shapes& s : kShapes)
      for (bool constant : {false, true}) {
        const DType ta = r.coin() ? DType::kUint8 : DType::kInt8,
                    tb = r.coin() ? DType::kUint8 : DType::kInt8;
        const DType ty = r.coin() ? DType::kUint8 : DType::kInt8;
        const Tensor a = r.bytes(s.a, ta), b = r.bytes(s.b, tb);
        const int64_t n = s.b.size() > 1 ? s.b.back() : 1;
        const bool per_column = constant && s.b.size() == 2 && r.coin();
        const QuantParams qa = r.params(ta, 1, -1, true);
        const QuantParams qb = r.params(tb, per_column ? n : 1, 1, true);
        QuantParams qy = r.params(ty, 1, -1, true);
        qy.scales[0] *= 20;
        const std::string what = tensor::to_string(s.a) + tensor::to_string(s.b);
        const std::vector<Tensor> inputs = {a,
                                            scale_tensor(qa),
                                            zero_tensor(qa, ta),
                                            b,
                                            scale_tensor(qb),
                                            zero_tensor(qb, tb),
                                            scale_tensor(qy),
                                            zero_tensor(qy, ty)};
        const Tensor want = run("QLinearMatMul", 21, inputs)[0];
        const StepCase c{.op = "MatMul",
                         .inputs = {{a, qa}, {b, qb, constant}},
                         .out = ty,
                         .out_quant = qy,
                         .out_rank = want.rank()};
        for (base::Isa isa : machine_isas())
          for (int threads : {1, 3}) expect_same(run_step(c, isa, threads), want, what);
        StepCase q{.op = "QLinearMatMul", .out = ty, .out_rank = want.rank()};
        for (size_t i = 0; i < inputs.size(); ++i)
          q.inputs.push_back({inputs[i], {}, i == 3 ? constant : i > 0});
        expect_same(run_step(q, machine_isas().back()), want, what);
        const Tensor sums =
            run("MatMulInteger", 10, {a, b, zero_tensor(qa, ta), zero_tensor(qb, tb)})[0];
        StepCase i{.op = "MatMulInteger", .out = DType::kInt32, .out_rank = want.rank()};
        i.inputs = {{a},
                    {b, {}, constant},
                    {zero_tensor(qa, ta), {}, r.coin()},
                    {zero_tensor(qb, tb), {}, true}};
        expect_same(run_step(i, machine_isas().back()), sums, what);
      }
}

Tensor run_microsoft(const std::string& op, const std::vector<Tensor>& inputs,
                     const Attributes& attributes) {
  ir::Model model;
  model.opsets["com.microsoft"] = 1;
  ir::Node node = make_node(op, attributes, inputs.size(), 1);
  node.domain = "com.microsoft";
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(t.defined() ? &t : nullptr);
  return interpret(node, model, pointers)[0];
}

TEST(MatMulBind, MicrosoftFormsEqualTheirReferences) {
  Random r(5);
  for (int round = 0; round < 12; ++round) {
    const int64_t m = r.number(1, 20), n = r.number(1, 40), k = r.number(1, 50);
    const bool ta = r.coin(), tb = r.coin(), real = r.coin(), columns = r.coin();
    const DType t = r.coin() ? DType::kUint8 : DType::kInt8;
    const Tensor a = r.bytes(ta ? Dims{k, m} : Dims{m, k}, t);
    const Tensor b = r.bytes(tb ? Dims{n, k} : Dims{k, n}, DType::kInt8);
    const QuantParams qa = r.params(t, 1, -1, true),
                      qb = r.params(DType::kInt8, columns ? n : 1, 1, true);
    Tensor bias = Tensor::empty(DType::kInt32, {n});
    for (int32_t& v : bias.mutable_data<int32_t>()) v = static_cast<int32_t>(r.number(-999, 999));
    std::vector<Tensor> inputs = {a,
                                  scale_tensor(qa),
                                  zero_tensor(qa, t),
                                  b,
                                  scale_tensor(qb),
                                  zero_tensor(qb, DType::kInt8),
                                  r.coin() ? bias : Tensor()};
    if (!real) {
      inputs.push_back(Tensor::scalar(r.real(0.1F, 0.6F)));
      inputs.push_back(zero_tensor(r.params(t, 1, -1, true), t));
    }
    const Attributes attributes = {
        {"transA", int64_t{ta}}, {"transB", int64_t{tb}}, {"alpha", 0.75F}};
    StepCase c{
        .op = "QGemm", .attributes = attributes, .out = real ? DType::kFloat32 : t, .out_rank = 2};
    c.domain = "com.microsoft";
    c.opset = 1;
    for (size_t i = 0; i < inputs.size(); ++i) c.inputs.push_back({inputs[i], {}, i > 0});
    for (base::Isa isa : machine_isas())
      expect_same(run_step(c, isa), run_microsoft("QGemm", inputs, attributes), "QGemm");
    if (ta || tb) continue;
    const std::vector<Tensor> f = {a,
                                   b,
                                   scale_tensor(qa),
                                   scale_tensor(qb),
                                   zero_tensor(qa, t),
                                   zero_tensor(qb, DType::kInt8),
                                   r.coin() ? r.floats({n}) : Tensor()};
    StepCase d{.op = "MatMulIntegerToFloat", .out_rank = 2};
    d.domain = "com.microsoft";
    d.opset = 1;
    const bool known = r.coin();
    for (size_t i = 0; i < f.size(); ++i)
      d.inputs.push_back({f[i], {}, i == 2 || i == 4 ? known : i > 0});
    expect_same(run_step(d, machine_isas().back()), run_microsoft("MatMulIntegerToFloat", f, {}),
                "MatMulIntegerToFloat");
  }
}

TEST(GemmBind, EqualsTheReference) {
  Random r(6);
  for (int round = 0; round < 24; ++round) {
    const int64_t m = r.number(1, 20), n = r.number(2, 40), k = r.number(1, 50);
    const bool ta = r.coin(), tb = r.coin(), constant = r.coin();
    const bool computed = round % 4 == 0 && r.coin();
    const DType type = computed ? DType::kFloat32 : kFloatTypes[round % 3];
    const auto floats = [&](const Dims& dims) { return rounded(r.floats(dims), type); };
    const Tensor a = floats(ta ? Dims{k, m} : Dims{m, k});
    const Tensor b = floats(tb ? Dims{n, k} : Dims{k, n});
    const std::vector<Dims> biases = {{n}, {1}, {1, n}, {}};
    const Tensor bias = floats(biases[static_cast<size_t>(round % 4)]);
    Attributes attributes = {{"transA", int64_t{ta}}, {"transB", int64_t{tb}}};
    if (!computed && constant) {
      attributes.emplace_back("alpha", 0.75F);
      attributes.emplace_back("beta", -0.5F);
    }
    const Tensor want = run("Gemm", 13, {a, b, bias}, attributes)[0];
    const StepCase c{.op = "Gemm",
                     .attributes = attributes,
                     .inputs = {{a}, {b, {}, constant}, {bias, {}, !computed}},
                     .out_rank = 2};
    for (base::Isa isa : machine_isas())
      expect_near(run_step(in_type(c, type), isa), want,
                  static_cast<double>((k + 2) * (k + 2)) * 1.2e-7,
                  "round " + std::to_string(round));
  }
}

TEST(GemmBind, BytesEqualTheDefinition) {
  Random r(8);
  for (int round = 0; round < 12; ++round) {
    const int64_t m = r.number(1, 20), n = r.number(2, 40), k = r.number(1, 50);
    const bool tb = r.coin();
    const Tensor a = r.bytes({m, k}, DType::kUint8),
                 b = r.bytes(tb ? Dims{n, k} : Dims{k, n}, DType::kInt8);
    const QuantParams qa = r.params(DType::kUint8, 1, -1, true);
    const QuantParams qb = r.params(DType::kInt8, r.coin() ? n : 1, tb ? 0 : 1, r.coin());
    QuantParams qy = r.params(DType::kUint8, 1, -1, true);
    qy.scales[0] *= 20;
    Tensor bias = Tensor::empty(DType::kInt32, {n});
    for (int32_t& v : bias.mutable_data<int32_t>()) v = static_cast<int32_t>(r.number(-999, 999));
    QuantParams qc;
    for (float s : qb.scales) {
      qc.scales.push_back(s * qa.scales[0]);
      qc.zero_points.push_back(0);
    }
    const Tensor want = run_microsoft(
        "QGemm",
        {a, scale_tensor(qa), zero_tensor(qa, DType::kUint8), b, scale_tensor(qb),
         zero_tensor(qb, DType::kInt8), bias, scale_tensor(qy), zero_tensor(qy, DType::kUint8)},
        {{"transB", int64_t{tb}}});
    const StepCase c{.op = "Gemm",
                     .attributes = {{"transB", int64_t{tb}}},
                     .inputs = {{a, qa}, {b, qb, true}, {bias, qc, true}},
                     .out = DType::kUint8,
                     .out_quant = qy,
                     .out_rank = 2};
    for (base::Isa isa : machine_isas())
      expect_same(run_step(c, isa), want, "round " + std::to_string(round));
  }
}

}  // namespace
}  // namespace tersor::ops::testing
