// Bound QuantizeLinear and DequantizeLinear against the references: equal in every bit.
#include <limits>

#include "ops/detail/testing_weighted.h"

namespace tersor::ops::testing {
namespace {

const std::vector<DType> kTypes = {DType::kUint8, DType::kInt8, DType::kUint16, DType::kInt16};

TEST(QuantizeBind, EqualsTheReference) {
  Random r(21);
  for (int round = 0; round < 60; ++round) {
    const DType type = kTypes[static_cast<size_t>(round % 4)];
    const Dims dims = {r.number(1, 3), r.number(1, 20), r.number(1, 5), r.number(1, 30)};
    Tensor x = r.floats(dims, -9, 9);
    const auto v = x.mutable_data<float>();
    v[0] = std::numeric_limits<float>::quiet_NaN();
    v.back() = std::numeric_limits<float>::infinity();
    for (size_t i = 1; i + 1 < v.size() && round % 3 == 0; i += 7)
      v[i] = 0.5F;  // ties under scale 1
    const int axis = static_cast<int>(r.number(0, 3));
    const bool per_axis = r.coin();
    QuantParams q = r.params(type, per_axis ? dims[static_cast<size_t>(axis)] : 1, axis, true);
    if (round % 3 == 0) std::ranges::fill(q.scales, 1.0F);
    const Attributes attributes = {{"axis", static_cast<int64_t>(axis)}};
    const std::vector<Tensor> inputs = {x, scale_tensor(q), zero_tensor(q, type)};
    const Tensor want = run("QuantizeLinear", 21, inputs, attributes)[0];
    StepCase c{.op = "QuantizeLinear", .attributes = attributes, .out = type};
    for (size_t i = 0; i < 3; ++i) c.inputs.push_back({inputs[i], {}, i > 0});
    const std::vector<Tensor> back = {want, inputs[1], inputs[2]};
    const Tensor real = run("DequantizeLinear", 21, back, attributes)[0];
    StepCase d{.op = "DequantizeLinear", .attributes = attributes};
    for (size_t i = 0; i < 3; ++i) d.inputs.push_back({back[i], {}, i > 0});
    for (bool last : {false, true})
      for (base::Isa isa : machine_isas()) {
        c.channels_last = d.channels_last = last;
        const std::string what = "round " + std::to_string(round) + (last ? " channels-last" : "");
        expect_same(run_step(c, isa), want, what);
        expect_same(run_step(d, isa), real, what);
      }
  }
}

TEST(QuantizeBind, DynamicEqualsTheReference) {
  Random r(22);
  for (int round = 0; round < 12; ++round) {
    const Tensor x = r.floats({r.number(1, 50), r.number(1, 3000)}, round % 2 ? 1.0F : -3.0F, 5);
    const std::vector<Tensor> want = run("DynamicQuantizeLinear", 11, {x}, {}, 3);
    const StepCase c{
        .op = "DynamicQuantizeLinear", .inputs = {{x}}, .out = DType::kUint8, .out_rank = 2};
    for (base::Isa isa : machine_isas()) {
      std::vector<Tensor> got;
      run_step(c, isa, 2, 3, &got);
      ASSERT_EQ(got.size(), 3U);
      for (size_t i = 0; i < 3; ++i) expect_same(got[i], want[i], "output " + std::to_string(i));
    }
  }
}

}  // namespace
}  // namespace tersor::ops::testing
