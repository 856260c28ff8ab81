// Matrix products and convolutions: rows of gemm, winograd and dwconv on layers of known networks.
#include <cmath>
#include <memory>
#include <optional>
#include <random>
#include <type_traits>

#include "cases.h"
#include "kernels/dwconv/dwconv.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "kernels/winograd/winograd.h"
#include "kernels/winograd_bf16/winograd_bf16.h"
#include "kernels/winograd_f32/winograd_f32.h"
#include "memory.h"
#include "results.h"

namespace tersor::bench_kernels {
namespace {

using namespace kernels;

// A matrix product is a convolution 1x1 of one line of pixels.
struct Layer {
  const char* network;
  int64_t h, w, c, oc;  // of the input; outputs
  int64_t k = 1, stride = 1;
  bool depthwise = false;
  bool constant = true;  // else both operands are computed
  uint8_t zero = 0;      // of the input: after a Relu
  bool small = false;    // weights add up in fours
};
constexpr uint8_t kMiddle = 128;  // of what has both signs
constexpr Layer kLayers[] = {
    {"ResNet-18", 56, 56, 64, 64, 3},
    {"ResNet-18", 28, 28, 128, 128, 3},
    {"ResNet-18", 14, 14, 256, 256, 3},
    {"ResNet-18", 7, 7, 512, 512, 3},
    {"ResNet-18", 56, 56, 64, 128, 3, 2},
    {"ResNet-18", 28, 28, 128, 256, 3, 2},
    {"VGG-16", 112, 112, 128, 128, 3},
    {"VGG-16", 56, 56, 256, 256, 3},
    {"MobileNetV2", 56, 56, 24, 144},
    {"MobileNetV2", 14, 14, 96, 576},
    {"MobileNetV2", 14, 14, 576, 96},
    {"MobileNetV2", 7, 7, 320, 1280},
    {"MobileNetV1", 56, 56, 128, 128, 3, 1, true},
    {"MobileNetV2", 112, 112, 32, 32, 3, 1, true},
    {"MobileNetV2", 56, 56, 144, 144, 3, 1, true},
    {"MobileNetV2", 28, 28, 192, 192, 3, 1, true},
    {"MobileNetV2", 14, 14, 384, 384, 3, 1, true},
    {"MobileNetV3-Small", 28, 28, 88, 88, 3, 1, true},
    {"MobileNetV2 0.5", 28, 28, 96, 96, 3, 1, true},
    {"MobileNetV2", 112, 112, 96, 96, 3, 2, true},
    {"BERT", 1, 128, 768, 768, 1, 1, false, true, kMiddle},
    {"BERT", 1, 128, 768, 3072, 1, 1, false, true, kMiddle},
    {"BERT", 1, 128, 3072, 768, 1, 1, false, true, kMiddle},
    {"BERT", 1, 128, 64, 128, 1, 1, false, false, kMiddle},
    {"MobileNetV2", 56, 56, 24, 144, 1, 1, false, true, 0, true},
    {"MobileNetV2", 14, 14, 96, 576, 1, 1, false, true, 0, true},
    {"MobileNetV2", 14, 14, 576, 96, 1, 1, false, true, 0, true},
    {"ResNet-50", 14, 14, 1024, 256, 1, 1, false, true, 0, true},
    {"BERT", 1, 128, 768, 768, 1, 1, false, true, kMiddle, true},
};

ConvShape shape_of(const Layer& l) {
  ConvShape s;
  s.h = l.h, s.w = l.w, s.c = l.c, s.oc = l.oc;
  s.groups = l.depthwise ? l.c : 1;
  s.kh = s.kw = l.k;
  s.stride_h = s.stride_w = l.stride;
  s.pad_top = s.pad_left = l.k / 2;
  s.oh = (l.h + 2 * s.pad_top - l.k) / l.stride + 1;
  s.ow = (l.w + 2 * s.pad_left - l.k) / l.stride + 1;
  return s;
}

double products_of(const ConvShape& s) {
  return static_cast<double>(s.pixels() * s.oc * s.positions() * s.group_inputs());
}
// Winograd's own.
double tile_products(const ConvShape& s) {
  return static_cast<double>(winograd_tiles(s) * 36 * s.c * s.oc);
}

std::string describe(const char* type, const Layer& l) {
  const std::string network = fmt::format("{} {}", type, l.network);
  const char* weights = !l.constant ? " computed" : l.small ? " small" : "";
  if (l.h == 1) return fmt::format("{} {} x {} x {}{}", network, l.w, l.c, l.oc, weights);
  const std::string stride = l.stride > 1 ? fmt::format("/{}", l.stride) : "";
  const std::string channels =
      l.depthwise ? fmt::format("depthwise {}", l.c) : fmt::format("{} to {}", l.c, l.oc);
  return fmt::format("{} {}x{}{} {} at {}x{}{}", network, l.k, l.k, stride, channels, l.h, l.w,
                     weights);
}

// As many rows as the reference does in a moment.
int64_t reference_rows(const ConvShape& s) {
  const int64_t each = s.oc * s.positions() * s.group_inputs();
  return std::clamp<int64_t>((int64_t{4} << 20) / each, 1, s.pixels());
}

template <typename A, typename B, typename Out>
struct Work {
  ConvShape shape;
  MatrixLayout layout;
  Lines<A> a, padding;
  Lines<B> b;
  std::vector<float> scale;
  std::vector<int32_t> bias;
  Results<Out> results;

  explicit Work(const ConvShape& s)
      : shape(s),
        layout(conv_layout(s)),
        a(static_cast<size_t>(s.h * s.w * s.c)),
        padding(static_cast<size_t>(s.c)),
        b(static_cast<size_t>(s.oc * s.positions() * s.group_inputs())),
        results{Lines<Out>(static_cast<size_t>(s.pixels() * s.oc)), {}} {}

  RowSource rows() const {
    return shape.pointwise() ? RowSource::dense(a.data(), shape.c)
                             : RowSource::pixels(a.data(), shape, padding.data(), layout.flatten);
  }
};

// Everything that a candidate of one row needs to run.
template <typename T>
struct Packed {
  T work;
  Memory weights;
  std::vector<int32_t> sums, folded;
  std::optional<Memory> scratch = {};

  Packed(T w, size_t bytes)
      : work(std::move(w)),
        weights(static_cast<int64_t>(bytes)),
        sums(static_cast<size_t>(work->shape.oc)),
        folded(sums) {}
  void reserve(size_t bytes) { scratch.emplace(static_cast<int64_t>(bytes)); }
};

template <typename Row>
Candidate candidate(const Row& row, std::string_view mix, double products,
                    std::function<void()> run) {
  return {row.name, row.isa, std::move(run), make_mix(mix, row.isa, products), mix};
}

// ---- uint8 times int8 to uint8 ----

using ByteWork = Work<uint8_t, int8_t, uint8_t>;
using Bytes = std::shared_ptr<ByteWork>;

Bytes byte_work(const Layer& l) {
  auto w = std::make_shared<ByteWork>(shape_of(l));
  std::mt19937 gen(1);
  std::normal_distribution<float> normal(0, 24);
  for (uint8_t& x : w->a) {
    const float v = normal(gen) + static_cast<float>(l.zero);
    x = static_cast<uint8_t>(std::clamp(v, 0.0f, 255.0f));
  }
  const float part = l.small ? 0.5f : 1.0f;
  for (int8_t& x : w->b) x = static_cast<int8_t>(std::clamp(part * normal(gen), -127.0f, 127.0f));
  std::fill(w->padding.begin(), w->padding.end(), l.zero);
  for (int64_t n = 0; n < w->shape.oc; ++n) {
    w->bias.push_back(static_cast<int32_t>(n * 37 % 1001) - 500);
    w->scale.push_back(1e-3f * static_cast<float>(1 + n % 7));
  }
  return w;
}

GemmU8S8Call byte_call(ByteWork& w, uint8_t zero) {
  GemmU8S8Call call;
  call.a = w.rows();
  call.a_zero = zero;
  call.out = w.results.out.data();
  call.out_stride = w.shape.oc;
  call.epilogue.kind = GemmOutput::u8;
  call.epilogue.bias = w.bias.data();
  call.epilogue.scale = w.scale.data();
  call.epilogue.small_scales = true;
  return call;
}

Candidate gemm(const GemmU8S8Row& row, const Bytes& work, uint8_t zero) {
  auto p = std::make_shared<Packed<Bytes>>(work, packed_bytes(row, work->layout));
  auto* packed = p->weights.as<int8_t>();
  pack(row, work->layout, work->b.data(), true, packed, p->sums.data());
  const GemmU8S8Weights weights(row, work->layout, packed);
  fold_zero_points(weights, p->sums.data(), false, zero, nullptr, 0, work->bias.data(),
                   p->folded.data(), nullptr);
  GemmU8S8Call call = byte_call(*work, zero);
  call.epilogue.bias = p->folded.data();
  p->reserve(scratch_bytes(weights));
  const char* mix = row.form == GemmU8S8Form::quads   ? "quads"
                    : row.form == GemmU8S8Form::tiles ? "tiles"
                                                      : "magnitudes";
  return candidate(row, mix, products_of(work->shape), [=] {
    run(weights, call, {0, p->work->shape.pixels()}, {0, weights.panels()}, p->scratch->data());
  });
}

Candidate winograd(const WinogradRow& row, const Bytes& work, uint8_t zero) {
  auto p = std::make_shared<Packed<Bytes>>(work, winograd_packed_bytes(row, work->shape));
  const WinogradWeights weights =
      winograd_pack(row, work->shape, work->b.data(), p->weights.as<int8_t>(), p->sums.data());
  for (size_t n = 0; n < p->sums.size(); ++n) p->folded[n] = work->bias[n] - zero * p->sums[n];
  GemmU8S8Call call = byte_call(*work, zero);
  call.epilogue.bias = p->folded.data();
  const int64_t tiles = winograd_tiles(work->shape);
  p->reserve(winograd_scratch_bytes(weights, tiles));
  return candidate(row, "pairs", tile_products(work->shape), [=] {
    winograd_run(weights, call, {0, tiles}, {0, weights.panels()}, p->scratch->data());
  });
}

DwconvU8S8Constants dw_constants(const ByteWork& w, uint8_t zero) {
  DwconvU8S8Constants c;
  c.za = zero;
  c.bias = w.bias.data();
  c.scale = w.scale.data();
  return c;
}

DwconvU8S8Call dw_call(ByteWork& w) {
  DwconvU8S8Call call;
  call.in = w.a.data();
  call.padding = w.padding.data();
  call.out = w.results.out.data();
  call.small_scales = true;
  return call;
}

Candidate depthwise(const DwconvU8S8Row& row, const Bytes& work, uint8_t zero) {
  const ConvShape& s = work->shape;
  auto p = std::make_shared<Packed<Bytes>>(work, packed_bytes(row, s));
  pack(row, s, work->b.data(), dw_constants(*work, zero), p->weights.data());
  p->reserve(scratch_bytes(row, s));
  // The mixes are those of stride 1.
  const char* mix = s.stride_w > 1   ? ""
                    : row.pairs      ? "dw_pairs"
                    : !row.slide     ? "dw_quads"
                    : row.block > 32 ? "dw_slide_64"
                                     : "dw_slide_32";
  return candidate(row, mix, products_of(s), [=, call = dw_call(*work)] {
    run(row, p->work->shape, p->weights.data(), call, {0, p->work->shape.oh}, p->scratch->data());
  });
}

Case byte_case(const Layer& l, base::IsaSet isa) {
  const Bytes work = byte_work(l);
  const ConvShape& s = work->shape;
  Case c{describe("u8s8", l), products_of(s), "GMAC/s", "", {}, nullptr};
  if (l.depthwise) {
    c.picked = select_dwconv_u8s8(s.c, isa).name;
    for (const DwconvU8S8Row& row : dwconv_u8s8_rows())
      if (isa.has(row.isa)) c.candidates.push_back(depthwise(row, work, l.zero));
    reference(s, work->b.data(), dw_constants(*work, l.zero), dw_call(*work));
    work->results.expect(s.pixels() * s.oc);
  } else {
    const WinogradRow* tiles = l.constant ? select_winograd(s, isa) : nullptr;
    c.picked = tiles ? tiles->name
                     : select_gemm_u8s8({s.pixels(), work->layout, l.constant, l.small}, isa).name;
    for (const GemmU8S8Row& row : gemm_u8s8_rows())
      if (isa.has(row.isa) && (l.constant || !row.magnitudes()) &&
          (l.small || row.form != GemmU8S8Form::fours))
        c.candidates.push_back(gemm(row, work, l.zero));
    for (const WinogradRow& row : winograd_rows())
      if (isa.has(row.isa) && winograd_fits(s)) c.candidates.push_back(winograd(row, work, l.zero));
    const int64_t rows = reference_rows(s);
    reference(work->layout, work->b.data(), true, {l.zero, nullptr, 0}, byte_call(*work, l.zero),
              rows);
    work->results.expect(rows * s.oc);
  }
  c.wrong = [work] { return work->results.wrong(); };
  return c;
}

// ---- float32 ----

using FloatWork = Work<float, float, float>;
using Floats = std::shared_ptr<FloatWork>;

Floats float_work(const Layer& l) {
  auto w = std::make_shared<FloatWork>(shape_of(l));
  std::mt19937 gen(1);
  std::uniform_real_distribution<float> value(-1, 1);
  for (float& x : w->a) x = value(gen);
  for (float& x : w->b) x = value(gen);
  // Sums of so many products of at most 1, each rounded when it is at most their number.
  const auto terms = static_cast<double>(w->shape.positions() * w->shape.group_inputs());
  w->results.tolerance = terms * terms * 0x1p-24;
  return w;
}

struct HalfWork : Work<simd::bfloat16, float, simd::bfloat16> {
  using Work::Work;
  Lines<float> wide;  // a
};
using Halves = std::shared_ptr<HalfWork>;

template <typename AnyWork>
GemmF32Call call_of(AnyWork& w) {
  GemmF32Call call;
  if constexpr (std::is_same_v<AnyWork, HalfWork>) call.a_type = call.type = FloatType::bf16;
  call.a = w.rows();
  call.out = w.results.out.data();
  call.out_stride = w.shape.oc;
  return call;
}

// Of Floats or Halves.
template <typename Operands>
Candidate gemm(const GemmF32Row& row, const Operands& work) {
  auto p = std::make_shared<Packed<Operands>>(work, packed_bytes(row, work->layout));
  pack(row, work->layout, work->b.data(), FloatType::f32, p->weights.data());
  const GemmF32Weights weights(row, work->layout, p->weights.data());
  p->reserve(scratch_bytes(weights, call_of(*work)));
  const char* mix = row.by_tiles()                    ? "bf16_tiles"
                    : row.operands == FloatType::bf16 ? "bf16_pairs"
                                                      : "fma";
  return candidate(row, mix, products_of(work->shape), [=, call = call_of(*work)] {
    run(weights, call, {0, p->work->shape.pixels()}, {0, weights.panels()}, p->scratch->data());
  });
}

// `products`: the row's own.
template <typename Row, typename Operands>
Candidate winograd(const Row& row, const Operands& work, const char* mix, double products) {
  auto p = std::make_shared<Packed<Operands>>(work, packed_bytes(row, work->shape));
  const auto weights = pack(row, work->shape, work->b.data(), p->weights.data());
  const int64_t tiles = weights.tiles(work->shape);
  p->reserve(scratch_bytes(weights, tiles));
  return candidate(row, mix, products, [=, call = call_of(*work)] {
    run(weights, call, {0, tiles}, {0, weights.panels()}, p->scratch->data());
  });
}
template <typename Operands>
Candidate winograd(const WinogradF32Row& row, const Operands& work) {
  return winograd(row, work, "fma", tile_products(work->shape));
}

DwconvF32Call dw_call(FloatWork& w) {
  DwconvF32Call call;
  call.in = w.a.data();
  call.padding = w.padding.data();
  call.out = w.results.out.data();
  return call;
}

Candidate depthwise(const DwconvF32Row& row, const Floats& work) {
  const ConvShape& s = work->shape;
  auto p = std::make_shared<Packed<Floats>>(work, packed_bytes(row, s));
  pack(row, s, work->b.data(), p->weights.as<float>());
  p->reserve(scratch_bytes(row, s));
  return candidate(row, s.stride_w > 1 ? "" : "dw_fma", products_of(s), [=, call = dw_call(*work)] {
    run(row, p->work->shape, p->weights.as<float>(), call, {0, p->work->shape.oh},
        p->scratch->data());
  });
}

Case float_case(const Layer& l, base::IsaSet isa) {
  const Floats work = float_work(l);
  const ConvShape& s = work->shape;
  Case c{describe("f32", l), products_of(s), "GMAC/s", "", {}, nullptr};
  if (l.depthwise) {
    c.picked = select_dwconv_f32(isa).name;
    for (const DwconvF32Row& row : dwconv_f32_rows())
      if (isa.has(row.isa)) c.candidates.push_back(depthwise(row, work));
    reference(s, work->b.data(), dw_call(*work));
    work->results.expect(s.pixels() * s.oc);
  } else {
    const WinogradF32Row* tiles = select_winograd_f32(s, isa);
    c.picked = tiles ? tiles->name : select_gemm_f32({s.pixels(), work->layout}, isa).name;
    for (const GemmF32Row& row : gemm_f32_rows())
      if (isa.has(row.isa) && row.operands == FloatType::f32)
        c.candidates.push_back(gemm(row, work));
    for (const WinogradF32Row& row : winograd_f32_rows())
      if (isa.has(row.isa) && winograd_f32_fits(s)) c.candidates.push_back(winograd(row, work));
    const int64_t rows = reference_rows(s);
    reference(work->layout, work->b.data(), call_of(*work), rows);
    work->results.expect(rows * s.oc);
  }
  c.wrong = [work] { return work->results.wrong(); };
  return c;
}

// ---- bfloat16 ----

Halves half_work(const Layer& l) {
  auto w = std::make_shared<HalfWork>(shape_of(l));
  std::mt19937 gen(1);
  std::uniform_real_distribution<float> value(-1, 1);
  const auto rounded = [&] {
    simd::bfloat16 x;
    simd::narrow(value(gen), x);
    return x;
  };
  for (simd::bfloat16& x : w->a) w->wide.push_back(simd::to_float(x = rounded()));
  for (float& x : w->b) x = simd::to_float(rounded());
  // Winograd rounds both operands, and all round the results: many times what sums of such numbers
  // are off in the mean.
  const auto terms = static_cast<double>(w->shape.positions() * w->shape.group_inputs());
  w->results.tolerance = std::sqrt(terms) * 0x1p-5;
  return w;
}

Case half_case(const Layer& l, base::IsaSet isa) {
  const Halves work = half_work(l);
  const ConvShape& s = work->shape;
  Case c{describe("bf16", l), products_of(s), "GMAC/s", "", {}, nullptr};
  const GemmF32Row& direct = select_gemm_f32({s.pixels(), work->layout, FloatType::bf16}, isa);
  const WinogradBf16Row* tiles2 = select_winograd_bf16(s, isa);
  const WinogradF32Row* tiles4 = select_winograd_f32(s, isa);
  c.picked = direct.name;
  if (direct.operands == FloatType::bf16) {
    if (tiles2) c.picked = tiles2->name;
  } else if (tiles4) {
    c.picked = tiles4->name;
  }
  for (const GemmF32Row& row : gemm_f32_rows())
    if (isa.has(row.isa)) c.candidates.push_back(gemm(row, work));
  for (const WinogradBf16Row& row : winograd_bf16_rows())
    if (isa.has(row.isa) && winograd_bf16_fits(s))
      c.candidates.push_back(winograd(row, work, "bf16_pairs", products_of(s) * 4 / 9));
  for (const WinogradF32Row& row : winograd_f32_rows())
    if (isa.has(row.isa) && winograd_f32_fits(s)) c.candidates.push_back(winograd(row, work));
  const int64_t rows = reference_rows(s);
  const Lines<float> padding(static_cast<size_t>(s.c));
  Lines<float> sums(static_cast<size_t>(rows * s.oc));
  GemmF32Call call = call_of(*work);
  call.a.data = work->wide.data();
  call.a.padding = padding.data();
  call.out = sums.data();
  reference(work->layout, work->b.data(), call, rows);
  for (size_t i = 0; i < sums.size(); ++i) simd::narrow(sums[i], work->results.out[i]);
  work->results.expect(rows * s.oc);
  c.wrong = [work] { return work->results.wrong(); };
  return c;
}

}  // namespace

std::vector<Plan> product_plans() {
  std::vector<Plan> plans;
  for (const Layer& l : kLayers) {
    plans.push_back({describe("u8s8", l), [&l](base::IsaSet isa) { return byte_case(l, isa); }});
    if (l.constant)
      plans.push_back({describe("f32", l), [&l](base::IsaSet isa) { return float_case(l, isa); }});
    if (l.constant && !l.depthwise && !l.small)
      plans.push_back({describe("bf16", l), [&l](base::IsaSet isa) { return half_case(l, isa); }});
  }
  return plans;
}

}  // namespace tersor::bench_kernels
