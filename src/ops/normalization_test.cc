// Bound normalizations and softmax against the references, within the error of float sums.
#include "ops/detail/testing_weighted.h"

namespace tersor::ops::testing {
namespace {

TEST(NormalizationBind, SoftmaxEqualsTheReference) {
  Random r(31);
  const std::vector<Dims> shapes = {{7}, {3, 1000}, {2, 5, 17}, {2, 3, 4, 300}, {1, 1}, {0, 4}};
  for (const char* op : {"Softmax", "LogSoftmax"})
    for (const Dims& dims : shapes)
      for (int opset : {11, 13})
        for (int64_t axis = opset == 11 ? 0 : -1; axis < static_cast<int64_t>(dims.size());
             ++axis) {
          const Tensor x = r.floats(dims, -20, 20);
          const Attributes attributes = {{"axis", axis}};
          const Tensor want = run(op, opset, {x}, attributes)[0];
          StepCase c{.op = op, .attributes = attributes, .inputs = {{x}}, .out_rank = x.rank()};
          c.opset = opset;
          for (base::Isa isa : machine_isas())
            expect_near(run_step(c, isa), want, op == std::string("Softmax") ? 1e-6 : 2e-5,
                        std::string(op) + tensor::to_string(dims));
        }
}

TEST(NormalizationBind, SoftmaxOfBytesIsWithinOneCode) {
  Random r(32);
  for (int i = 0; i < 10; ++i) {
    const Tensor x = r.bytes({4, 30}, DType::kUint8);
    const QuantParams qx = r.params(DType::kUint8, 1, -1, true);
    const QuantParams qy{{1.0F / 256}, {0}};
    const Tensor real =
        run("DequantizeLinear", 19, {x, scale_tensor(qx), zero_tensor(qx, DType::kUint8)})[0];
    const Tensor want =
        run("QuantizeLinear", 19,
            {run("Softmax", 13, {real})[0], scale_tensor(qy), zero_tensor(qy, DType::kUint8)})[0];
    const StepCase c{
        .op = "Softmax", .inputs = {{x, qx}}, .out = DType::kUint8, .out_quant = qy, .out_rank = 2};
    for (base::Isa isa : machine_isas()) expect_near(run_step(c, isa), want, 1, "bytes");
  }
}

TEST(NormalizationBind, RowsEqualTheReference) {
  Random r(33);
  for (int i = 0; i < 20; ++i) {
    const Dims dims = {r.number(1, 4), r.number(1, 9), r.number(2, 200)};
    const auto axis = r.number(1, 2);
    const Tensor x = r.floats(dims, -3, 5);
    const Dims row(dims.begin() + axis, dims.end());
    const Tensor scale = r.floats(i % 3 ? row : Dims{dims[2]}), bias = r.floats(row);
    const Attributes attributes = {{"axis", axis}};
    const std::vector<Tensor> want = run("LayerNormalization", 17, {x, scale, bias}, attributes, 3);
    const StepCase c{.op = "LayerNormalization",
                     .attributes = attributes,
                     .inputs = {{x}, {scale, {}, true}, {bias}},
                     .out_rank = 3};
    StepCase three = c;
    for (base::Isa isa : machine_isas()) expect_near(run_step(c, isa), want[0], 1e-4, "layer");
    const Tensor rms = run("RMSNormalization", 23, {x, scale}, attributes)[0];
    const StepCase m{.op = "RMSNormalization",
                     .attributes = attributes,
                     .inputs = {{x}, {scale, {}, true}},
                     .out_rank = 3,
                     .opset = 23};
    for (base::Isa isa : machine_isas()) expect_near(run_step(m, isa), rms, 1e-4, "rms");
  }
}

TEST(NormalizationBind, ChannelsEqualTheReference) {
  Random r(34);
  for (int i = 0; i < 20; ++i) {
    const int64_t groups = r.number(1, 4), channels = groups * r.number(1, 5);
    const Tensor x = r.floats({r.number(1, 3), channels, r.number(2, 8), r.number(2, 9)}, -3, 5);
    const Tensor scale = r.floats({channels}), bias = r.floats({channels});
    for (base::Isa isa : machine_isas()) {
      const StepCase g{.op = "GroupNormalization",
                       .attributes = {{"num_groups", groups}},
                       .inputs = {{x}, {scale}, {bias}},
                       .opset = 21};
      expect_near(run_step(g, isa),
                  run("GroupNormalization", 21, {x, scale, bias}, g.attributes)[0], 1e-4, "group");
      const StepCase n{.op = "InstanceNormalization", .inputs = {{x}, {scale}, {bias}}};
      expect_near(run_step(n, isa), run("InstanceNormalization", 21, {x, scale, bias})[0], 1e-4,
                  "instance");
    }
    const Tensor mean = r.floats({channels}), variance = r.floats({channels}, 0.1F, 2);
    StepCase b{
        .op = "BatchNormalization",
        .inputs = {
            {x}, {scale, {}, true}, {bias, {}, true}, {mean, {}, true}, {variance, {}, true}}};
    const Tensor want = run("BatchNormalization", 15, {x, scale, bias, mean, variance})[0];
    for (bool last : {false, true}) {
      b.channels_last = last;
      expect_near(run_step(b, base::Isa::portable), want, 1e-4, "batch");
    }
  }
}

}  // namespace
}  // namespace tersor::ops::testing
