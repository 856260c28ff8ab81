// Bound convolutions against the references on random shapes: integers exactly, floats within the
// error of a sum.
#include <map>

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
  const bool depthwise = i % 3 == 1;
  const int64_t groups = depthwise ? r.number(2, 40) : i % 5 == 0 ? r.number(2, 3) : 1;
  const int64_t per_group = depthwise ? 1 : r.number(1, i % 7 == 0 ? 40 : 20);
  const int64_t filters = groups * (depthwise ? 1 : r.number(1, 37));
  s.x = {r.number(1, 3), groups * per_group};
  s.w = {filters, per_group};
  s.outputs = filters;
  std::vector<int64_t> strides, dilations, pads(2 * axes);
  const bool pointwise = i % 6 == 2;
  for (size_t a = 0; a < axes; ++a) {
    const int64_t k = pointwise ? 1 : r.number(1, 4), d = r.number(1, 2);
    s.w.push_back(k);
    strides.push_back(pointwise && r.coin() ? 1 : r.number(1, 3));
    dilations.push_back(d);
    pads[a] = pointwise ? 0 : r.number(0, 2);
    pads[axes + a] = pointwise ? 0 : r.number(0, 2);
    s.x.push_back(r.number((k - 1) * d + 1, 12));
  }
  s.attributes = {{"strides", strides}, {"dilations", dilations}, {"group", groups}};
  if (i % 8 == 5)
    s.attributes.emplace_back("auto_pad", std::string(r.coin() ? "SAME_UPPER" : "SAME_LOWER"));
  else
    s.attributes.emplace_back("pads", pads);
  return s;
}

Tensor clamped(const Tensor& t, float low, float high) {
  Tensor y = Tensor::empty(DType::kFloat32, t.dims());
  for (size_t i = 0; i < y.mutable_data<float>().size(); ++i)
    y.mutable_data<float>()[i] = std::clamp(t.data<float>()[i], low, high);
  return y;
}

TEST(ConvBind, FloatsEqualTheReference) {
  Random r(1);
  for (int i = 0; i < 90; ++i) {
    const Shape s = random_shape(r, i);
    const DType type = i < 60 ? DType::kFloat32 : kFloatTypes[1 + i % 2];
    const auto floats = [&](const Dims& dims) { return rounded(r.floats(dims), type); };
    const Tensor x = floats(s.x), w = floats(s.w), b = floats({s.outputs});
    Tensor want = run("Conv", 17, {x, w, b}, s.attributes)[0];
    StepCase c{
        .op = "Conv", .attributes = s.attributes, .inputs = {{x}, {w, {}, true}, {b, {}, true}}};
    c.channels_last = true;
    c.out_rank = s.rank;
    const bool depthwise = s.w[1] == 1 && s.x[1] == s.outputs && s.x[1] > 1;
    if (i % 4 == 0 && !depthwise) {
      const Tensor residual = floats(want.dims());
      c.inputs.push_back({residual});
      want = run("Add", 17, {want, residual})[0];
    }
    if (r.coin()) {
      c.attributes.emplace_back("clip_min", 0.0F);
      c.attributes.emplace_back("clip_max", 1.5F);
      want = clamped(want, 0, 1.5F);
    }
    c = in_type(c, type);
    const auto terms = static_cast<double>(base::element_count(std::span(s.w).subspan(1)) + 2);
    for (base::Isa isa : machine_isas())
      for (int threads : {1, 3})
        expect_near(run_step(c, isa, threads), want, terms * terms * 1.2e-7,
                    "case " + std::to_string(i) + " " + std::string(base::name(isa)));
  }
}

// Sizes known at binding, so that the forms of Winograd are chosen where there are any; bfloat16 by
// tiles is faster.
TEST(ConvBind, HalvesOfKnownSizeRunByWinograd) {
  Random r(7);
  const Dims in{1, 32, 12, 12}, weight{32, 32, 3, 3};
  const std::map<DType, std::string> kernels = {{DType::kFloat16, "winograd_f32_"},
                                                {DType::kBfloat16, "winograd_bf16_"}};
  for (const auto& [type, kernel] : kernels) {
    const Tensor x = rounded(r.floats(in), type), w = rounded(r.floats(weight), type);
    const Attributes attributes = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
    const Tensor want = run("Conv", 17, {x, w}, attributes)[0];
    StepCase c{.op = "Conv", .attributes = attributes, .inputs = {{x}, {w, {}, true}}};
    c.channels_last = true;
    c.out_dims = want.dims();
    const base::Isa isa = machine_isas().back();
    std::string chosen;
    // The operands of 16 products of 4 pixels by 9 weights each are rounded.
    const double bound = type == DType::kBfloat16 ? 32 * 16 * 4 * 9.0 / 4 * 0x1p-7 : 1e-3;
    expect_near(run_step(in_type(c, type), isa, 2, 1, nullptr, &chosen), want, bound, kernel);
    if (type == DType::kFloat16 || isa == base::Isa::avx512bf16) {
      EXPECT_EQ(0U, chosen.find(kernel)) << chosen;
    } else if (isa == base::Isa::amx) {
      EXPECT_EQ(0U, chosen.find("gemm_bf16_amx_tiles_")) << chosen;
    }
  }
}

// The definition of an 8-bit convolution; `bias`: undefined for none.
Tensor qlinear_conv(const Tensor& x, const QuantParams& qx, const Tensor& w, const QuantParams& qw,
                    const QuantParams& qy, DType ty, const Attributes& attributes,
                    const Tensor& bias = {}) {
  std::vector<Tensor> inputs = {x,
                                scale_tensor(qx),
                                zero_tensor(qx, x.dtype()),
                                w,
                                scale_tensor(qw),
                                zero_tensor(qw, w.dtype()),
                                scale_tensor(qy),
                                zero_tensor(qy, ty)};
  if (bias.defined()) inputs.push_back(bias);
  return run("QLinearConv", 21, inputs, attributes)[0];
}

// 7x7 of 64 channels: with VNNI one image is convolved directly, several by Winograd.
TEST(ConvBind, BytesOfBatchesEqualTheDefinition) {
  Random r(9);
  const Attributes attributes = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  const Tensor w = r.bytes({64, 64, 3, 3}, DType::kInt8);
  const QuantParams qx = r.params(DType::kUint8, 1, -1, true);
  const QuantParams qw{{0.01F}, {0}, -1}, qy{{qx.scales[0] * 20}, {100}, -1};
  for (int64_t images : {1, 2, 5}) {
    const Tensor x = r.bytes({images, 64, 7, 7}, DType::kUint8);
    const Tensor want = qlinear_conv(x, qx, w, qw, qy, DType::kUint8, attributes);
    StepCase c{.op = "Conv", .attributes = attributes};
    c.inputs = {{x, qx}, {w, qw, true}};
    c.out = DType::kUint8;
    c.out_quant = qy;
    c.channels_last = true;
    c.out_dims = {-1, 64, 7, 7};
    for (base::Isa isa : machine_isas())
      expect_same(run_step(c, isa, 2), want,
                  std::to_string(images) + " images " + std::string(base::name(isa)));
  }
}

// Convolutions of few pixels' channels and of strides, each form of which has its own way to lay
// them out.
TEST(ConvBind, StemsEqualTheDefinition) {
  Random r(11);
  struct Stem {
    int64_t channels, h, w, kh, kw, stride_h, stride_w;
    std::vector<int64_t> pads;
  };
  const Stem stems[] = {
      {3, 40, 37, 7, 7, 2, 2, {3, 3, 3, 3}}, {3, 23, 50, 3, 3, 2, 2, {1, 1, 1, 1}},
      {3, 30, 30, 3, 3, 2, 2, {0, 0, 1, 1}}, {1, 31, 29, 5, 5, 3, 3, {2, 2, 2, 2}},
      {3, 24, 24, 6, 6, 2, 2, {2, 2, 2, 2}}, {4, 19, 64, 5, 3, 1, 2, {0, 1, 0, 1}},
      {2, 20, 21, 4, 4, 2, 1, {5, 0, 0, 6}}, {3, 9, 8, 7, 7, 4, 4, {6, 6, 6, 6}},
      {8, 16, 18, 2, 2, 2, 2, {0, 0, 0, 0}}, {1, 28, 28, 3, 3, 1, 1, {1, 1, 1, 1}},
  };
  for (const Stem& s : stems)
    for (const DType type : {DType::kUint8, DType::kInt8}) {
      const Attributes attributes = {{"pads", s.pads},
                                     {"strides", std::vector<int64_t>{s.stride_h, s.stride_w}}};
      const int64_t filters = r.number(17, 70);
      const Tensor x = r.bytes({2, s.channels, s.h, s.w}, type);
      const Tensor w = r.bytes({filters, s.channels, s.kh, s.kw}, DType::kInt8);
      const QuantParams qx = r.params(type, 1, -1, true);
      const QuantParams qw{{0.01F}, {0}, -1}, qy{{qx.scales[0] * 4}, {100}, -1};
      const Tensor want = qlinear_conv(x, qx, w, qw, qy, DType::kUint8, attributes);
      StepCase c{.op = "Conv", .attributes = attributes};
      c.inputs = {{x, qx}, {w, qw, true}};
      c.out = DType::kUint8;
      c.out_quant = qy;
      c.channels_last = true;
      c.out_rank = 4;
      for (base::Isa isa : machine_isas())
        for (int threads : {1, 3})
          expect_same(run_step(c, isa, threads), want,
                      std::to_string(s.kh) + "x" + std::to_string(s.kw) + " of " +
                          std::to_string(s.channels) + " " + std::string(base::name(isa)));
    }
}

TEST(ConvBind, BytesEqualTheDefinition) {
  Random r(2);
  for (int i = 0; i < 80; ++i) {
    const Shape s = random_shape(r, i);
    const DType tx = r.coin() ? DType::kUint8 : DType::kInt8,
                tw = i % 5 == 1 ? DType::kUint8 : DType::kInt8;
    const DType ty = r.coin() ? DType::kUint8 : DType::kInt8;
    const Tensor x = r.bytes(s.x, tx), w = r.bytes(s.w, tw);
    const QuantParams qx = r.params(tx, 1, -1, true);
    const QuantParams qw = r.params(tw, r.coin() ? s.outputs : 1, 0, i % 3 == 0);
    QuantParams qy = r.params(ty, 1, -1, true);
    qy.scales[0] *= 20;
    Tensor b = Tensor::empty(DType::kInt32, {s.outputs});
    for (int32_t& v : b.mutable_data<int32_t>()) v = static_cast<int32_t>(r.number(-3000, 3000));
    QuantParams qb;
    for (float sw : qw.scales) {
      qb.scales.push_back(qx.scales[0] * sw);
      qb.zero_points.push_back(0);
    }
    StepCase c{.op = "Conv", .attributes = s.attributes};
    c.inputs = {{x, qx}, {w, qw, true}, {b, qb, true}};
    c.out = ty;
    c.out_quant = qy;
    c.channels_last = true;
    c.out_rank = s.rank;
    const std::string what = "case " + std::to_string(i) + " ";
    const Tensor want = qlinear_conv(x, qx, w, qw, qy, ty, s.attributes, b);
    for (base::Isa isa : machine_isas())
      for (int threads : {1, 3})
        expect_same(run_step(c, isa, threads), want, what + std::string(base::name(isa)));
    // The specification's own operators give the same.
    StepCase q{.op = "QLinearConv", .attributes = s.attributes};
    q.inputs = {{x},
                {scale_tensor(qx), {}, true},
                {zero_tensor(qx, tx), {}, true},
                {w, {}, true},
                {scale_tensor(qw), {}, true},
                {zero_tensor(qw, tw), {}, true},
                {scale_tensor(qy), {}, true},
                {zero_tensor(qy, ty), {}, true},
                {b, {}, true}};
    q.out = ty;
    q.channels_last = true;
    q.out_rank = s.rank;
    expect_same(run_step(q, machine_isas().back()), want, what + "QLinearConv");
    const Tensor sums =
        run("ConvInteger", 21, {x, w, zero_tensor(qx, tx), zero_tensor(qw, tw)}, s.attributes)[0];
    StepCase n{.op = "ConvInteger", .attributes = s.attributes};
    n.inputs = {
        {x}, {w, {}, true}, {zero_tensor(qx, tx), {}, r.coin()}, {zero_tensor(qw, tw), {}, true}};
    n.out = DType::kInt32;
    n.channels_last = true;
    n.out_rank = s.rank;
    expect_same(run_step(n, machine_isas().back()), sums, what + "ConvInteger");
    // Relu in front of the quantization: codes below that of 0 do not occur.
    c.attributes.emplace_back("clip_min", 0.0F);
    Tensor clipped = Tensor::empty(DType::kInt32, want.dims());
    for (int64_t e = 0; e < want.count(); ++e)
      clipped.mutable_data<int32_t>()[static_cast<size_t>(e)] =
          static_cast<int32_t>(std::max<int64_t>(tensor::as_int64(want, e), qy.zero_points[0]));
    expect_same(run_step(c, machine_isas().back()), tensor::cast(clipped, ty), what + "clip");
    c.attributes.pop_back();
    // A float bias is brought to the scale of the sums.
    Tensor fb = Tensor::empty(DType::kFloat32, {s.outputs});
    for (size_t k = 0; k < static_cast<size_t>(s.outputs); ++k)
      fb.mutable_data<float>()[k] =
          static_cast<float>(b.data<int32_t>()[k]) * qb.scales[qb.scales.size() == 1 ? 0 : k];
    c.inputs[2] = {fb, {}, true};
    expect_same(run_step(c, machine_isas().back()), want, what + "float bias");
    // Real output.
    c.inputs[2] = {};
    c.out = DType::kFloat32;
    c.out_quant.reset();
    Tensor real = Tensor::empty(DType::kFloat32, sums.dims());
    const int64_t size = base::element_count(std::span(sums.dims()).subspan(2));
    for (int64_t e = 0; e < sums.count(); ++e) {
      const auto k = static_cast<size_t>(e / size % s.outputs);
      const double sw = static_cast<double>(qw.scales[qw.scales.size() == 1 ? 0 : k]);
      real.mutable_data<float>()[static_cast<size_t>(e)] =
          static_cast<float>(sums.data<int32_t>()[static_cast<size_t>(e)]) *
          static_cast<float>(static_cast<double>(qx.scales[0]) * sw);
    }
    expect_same(run_step(c, machine_isas().back()), real, what + "float output");
  }
}

}  // namespace
}  // namespace tersor::ops::testing
