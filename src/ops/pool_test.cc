// Bound pooling against the references on random shapes: maxima exactly, averages of bytes by the
// exact sum.
#include "ops/detail/quant.h"
#include "ops/detail/testing_weighted.h"

namespace tersor::ops::testing {
namespace {

struct Shape {
  Attributes attributes;
  Dims x;
  std::string name;
};

Shape random_shape(Random& r, int i, const char* op) {
  Shape s;
  const bool global = std::string(op).starts_with("Global");
  const auto axes = static_cast<size_t>(r.number(1, 3));
  s.x = {r.number(1, 3), r.number(1, 40)};
  std::vector<int64_t> kernel, strides, dilations, pads(2 * axes);
  for (size_t a = 0; a < axes; ++a) {
    const int64_t k = r.number(1, 3), d = r.number(1, 2);
    kernel.push_back(k);
    strides.push_back(r.number(1, 3));
    dilations.push_back(d);
    pads[a] = r.number(0, k - 1);
    pads[axes + a] = r.number(0, k - 1);
    s.x.push_back(r.number((k - 1) * d + 1, 9));
  }
  s.name = std::string(op) + " case " + std::to_string(i);
  if (global) return s;
  s.attributes = {{"kernel_shape", kernel},
                  {"strides", strides},
                  {"dilations", dilations},
                  {"ceil_mode", r.number(0, 1)}};
  if (i % 5 == 4)
    s.attributes.emplace_back("auto_pad", std::string("SAME_UPPER"));
  else
    s.attributes.emplace_back("pads", pads);
  if (std::string(op) == "AveragePool")
    s.attributes.emplace_back("count_include_pad", r.number(0, 1));
  return s;
}

TEST(PoolBind, FloatsEqualTheReference) {
  Random r(11);
  for (const char* op : {"MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"})
    for (int i = 0; i < 30; ++i) {
      const Shape s = random_shape(r, i, op);
      const Tensor x = r.floats(s.x);
      const Tensor want = run(op, 19, {x}, s.attributes)[0];
      StepCase c{.op = op, .attributes = s.attributes, .inputs = {{x}}, .out_rank = x.rank()};
      c.channels_last = true;
      for (base::Isa isa : machine_isas()) expect_near(run_step(c, isa), want, 1e-5, s.name);
    }
}

TEST(PoolBind, MaximaOfBytesAreCodes) {
  Random r(12);
  for (const char* op : {"MaxPool", "GlobalMaxPool"})
    for (int i = 0; i < 30; ++i) {
      const Shape s = random_shape(r, i, op);
      const DType type = r.coin() ? DType::kUint8 : DType::kInt8;
      const Tensor x = r.bytes(s.x, type);
      const QuantParams q = r.params(type, 1, -1, true);
      StepCase c{
          .op = op, .attributes = s.attributes, .inputs = {{x, q}}, .out = type, .out_quant = q};
      c.out_rank = x.rank();
      c.channels_last = true;
      const Tensor want = run(op, 19, {x}, s.attributes)[0];
      for (base::Isa isa : machine_isas()) expect_same(run_step(c, isa), want, s.name);
    }
}

TEST(PoolBind, AveragesOfBytesAreExactSums) {
  Random r(13);
  for (const char* op : {"AveragePool", "GlobalAveragePool"})
    for (int i = 0; i < 30; ++i) {
      const Shape s = random_shape(r, i, op);
      const DType type = r.coin() ? DType::kUint8 : DType::kInt8,
                  to = r.coin() ? DType::kUint8 : DType::kInt8;
      const Tensor x = r.bytes(s.x, type);
      const QuantParams qx = r.params(type, 1, -1, true), qy = r.params(to, 1, -1, true);
      // Within one step of dequantize, average, quantize.
      const Tensor real =
          run("DequantizeLinear", 19, {x, scale_tensor(qx), zero_tensor(qx, type)})[0];
      const Tensor want =
          run("QuantizeLinear", 19,
              {run(op, 19, {real}, s.attributes)[0], scale_tensor(qy), zero_tensor(qy, to)})[0];
      StepCase c{
          .op = op, .attributes = s.attributes, .inputs = {{x, qx}}, .out = to, .out_quant = qy};
      c.out_rank = x.rank();
      c.channels_last = true;
      const Tensor first = run_step(c, base::Isa::portable);
      expect_near(first, want, 1, s.name);
      for (base::Isa isa : machine_isas()) expect_same(run_step(c, isa), first, s.name);
    }
}

}  // namespace
}  // namespace tersor::ops::testing
