// Bound transposed convolutions against the reference on random shapes: integers exactly, floats
// within the error of a sum.
#include <cmath>

#include "ops/detail/quant.h"
#include "ops/detail/testing_weighted.h"

namespace tersor::ops::testing {
namespace {

struct Shape {
  Attributes attributes;
  Dims x, w;
  int64_t outputs;
  int rank;
};

Shape random_shape(Random& r, int i) {
  Shape s;
  s.rank = i % 4 == 3 ? 3 : 4;
  const size_t axes = static_cast<size_t>(s.rank) - 2;
  const int64_t groups = i % 5 == 0 ? r.number(2, 3) : 1;
  const int64_t channels = groups * r.number(1, 9), per_group = r.number(1, 19);
  s.x = {r.number(1, 3), channels};
  s.w = {channels, per_group};
  s.outputs = groups * per_group;
  std::vector<int64_t> strides, pads(2 * axes), more;
  for (size_t a = 0; a < axes; ++a) {
    const int64_t stride = r.number(1, 3), k = r.number(stride, 5);
    s.w.push_back(k);
    strides.push_back(stride);
    pads[a] = r.number(0, k - 1);
    pads[axes + a] = r.number(0, k - 1);
    more.push_back(r.number(0, stride - 1));
    s.x.push_back(r.number(4, 9));
  }
  s.attributes = {
      {"strides", strides}, {"pads", pads}, {"output_padding", more}, {"group", groups}};
  return s;
}

TEST(ConvTransposeBind, FloatsEqualTheReference) {
  Random r(11);
  int bound = 0;
  for (int i = 0; i < 60; ++i) {
    const Shape s = random_shape(r, i);
    const DType type = kFloatTypes[i % 3];
    const auto floats = [&](const Dims& dims) { return rounded(r.floats(dims), type); };
    const Tensor x = floats(s.x), w = floats(s.w), b = floats({s.outputs});
    const Tensor want = run("ConvTranspose", 17, {x, w, b}, s.attributes)[0];
    StepCase c{.op = "ConvTranspose",
               .attributes = s.attributes,
               .inputs = {{x}, {w, {}, true}, {b, {}, true}}};
    c.channels_last = true;
    c.out_rank = s.rank;
    const auto terms = static_cast<double>(base::element_count(s.w) / s.w[1] + 2);
    for (base::Isa isa : machine_isas()) {
      const Tensor got = run_step(in_type(c, type), isa);
      if (!got.defined()) continue;
      ++bound;
      expect_near(got, want, terms * terms * 1.2e-7,
                  "case " + std::to_string(i) + " " + std::string(base::name(isa)));
    }
  }
  EXPECT_GE(bound, 40);
}

TEST(ConvTransposeBind, BytesEqualTheDefinition) {
  Random r(12);
  int bound = 0;
  for (int i = 0; i < 60; ++i) {
    const Shape s = random_shape(r, i);
    const bool grouped = i % 5 == 0;
    const Tensor x = r.bytes(s.x, DType::kUint8), w = r.bytes(s.w, DType::kInt8);
    const QuantParams qx = r.params(DType::kUint8, 1, -1, true);
    const QuantParams qw = r.params(DType::kInt8, !grouped && r.coin() ? s.outputs : 1, 1, false);
    QuantParams qy = r.params(DType::kUint8, 1, -1, true);
    qy.scales[0] *= 20;
    StepCase c{
        .op = "ConvTranspose", .attributes = s.attributes, .inputs = {{x, qx}, {w, qw, true}}};
    c.out = DType::kUint8;
    c.out_quant = qy;
    c.channels_last = true;
    c.out_rank = s.rank;
    // Exact sums of integers, in double.
    Tensor centred = Tensor::empty(DType::kFloat64, x.dims());
    for (int64_t e = 0; e < x.count(); ++e)
      centred.mutable_data<double>()[static_cast<size_t>(e)] =
          static_cast<double>(tensor::as_int64(x, e) - qx.zero_points[0]);
    const Tensor sums =
        run("ConvTranspose", 17, {centred, tensor::cast(w, DType::kFloat64)}, s.attributes)[0];
    Tensor want = Tensor::empty(DType::kUint8, sums.dims());
    const int64_t inner = sums.count() / (sums.dim(0) * sums.dim(1));
    for (int64_t e = 0; e < sums.count(); ++e) {
      const auto m = static_cast<size_t>(e / inner % sums.dim(1));
      const float scale =
          detail::multiplier(qx.scales[0], qw.scales[qw.scales.size() == 1 ? 0 : m], qy.scales[0]);
      want.mutable_data<uint8_t>()[static_cast<size_t>(e)] = static_cast<uint8_t>(
          detail::requantized(static_cast<int32_t>(sums.data<double>()[static_cast<size_t>(e)]),
                              scale, qy.zero_points[0], 0, 255));
    }
    for (base::Isa isa : machine_isas()) {
      const Tensor got = run_step(c, isa);
      if (!got.defined()) continue;
      ++bound;
      expect_same(got, want, "case " + std::to_string(i) + " " + std::string(base::name(isa)));
    }
  }
  EXPECT_GE(bound, 40);
}

}  // namespace
}  // namespace tersor::ops::testing
