#include "ops/detail/conv_step.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/dwconv/dwconv.h"
#include "kernels/winograd/winograd.h"
#include "kernels/winograd_bf16/winograd_bf16.h"
#include "kernels/winograd_f32/winograd_f32.h"
#include "ops/detail/bind.h"
#include "ops/detail/conv_lines.h"
#include "ops/detail/quant.h"

namespace tersor::ops::detail {
namespace {

using kernels::ConvShape;

// The left operand: pixels, or plain rows where each output pixel reads its own input pixel.
kernels::RowSource source_of(const void* x, const ConvShape& shape, const void* padding,
                             bool flatten) {
  if (shape.pointwise() && shape.groups == 1) return kernels::RowSource::dense(x, shape.c);
  return kernels::RowSource::pixels(x, shape, padding, flatten);
}

const void* residual_of(const ConvForm& form, runtime::StepContext& c, const Dims& out) {
  if (!form.residual) return nullptr;
  const Tensor& t = c.in(*form.residual);
  if (t.dims() != out)
    base::fail_input("E17", "shape {} is added to {}", tensor::to_string(t.dims()),
                     tensor::to_string(out));
  return t.raw();
}

std::string place_of(const ConvShape& s) {
  return s.oh < 1 || s.ow < 1 ? "a size not known yet" : fmt::format("{}x{}", s.oh, s.ow);
}

// Why a form of Winograd was chosen; why none was, where the window would allow it.
constexpr const char* kTiles4 = "F(4x4, 3x3): a quarter of the products";
constexpr const char* kTiles2 = "F(2x2, 3x3): four ninths of the products";
std::string for_winograd(const char* tiles, const ConvShape& expected) {
  return fmt::format("Winograd {}, cheaper at {}", tiles, place_of(expected));
}
std::string against_winograd(const ConvShape& expected) {
  if (!kernels::winograd_fits(expected)) return {};
  return fmt::format("; direct: Winograd does not pay at {}", place_of(expected));
}

// run(rows, worker) for all rows of the output of a depthwise convolution, spread over the pool: an
// even number of them, since two together are cheaper than each alone.
template <typename Run>
void run_rows(runtime::StepContext& c, const ConvShape& s, Run&& run) {
  const int64_t rows = s.n * s.oh, tasks = 4 * static_cast<int64_t>(c.pool->size());
  c.pool->parallel_for((rows + 1) / 2, (rows / tasks + 1) / 2,
                       [&](int64_t begin, int64_t end, int worker) {
                         run(kernels::Range{2 * begin, std::min(2 * end, rows)}, worker);
                       });
}

// run(tiles, panels, scratch) for all tiles of a Winograd form, spread over the pool;
// scratch_bytes(tiles): what a call of so many needs.
template <typename Weights, typename ScratchBytes, typename Run>
void run_tiles(runtime::StepContext& c, int64_t tiles, const Weights& weights,
               ScratchBytes&& scratch_bytes, Run&& run) {
  const auto split = kernels::winograd_split(tiles, weights, c.pool->size());
  const WorkerScratch scratch(c, scratch_bytes(split.m_chunk));
  c.pool->parallel_for(split.tasks(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) run(split.rows(i), split.columns(i), scratch.of(worker));
  });
}

// What the forms of a float convolution have in common.
struct FloatForm {
  ConvForm form;
  kernels::FloatType type;
  Bounds bounds;
  std::vector<float> bias, zeros;  // zeros: of any type

  FloatForm(const ConvForm& f, const FloatOperands& operands, Bounds limits)
      : form(f), type(operands.type), bounds(limits), zeros(static_cast<size_t>(f.inputs), 0.0F) {
    if (!operands.bias.defined()) return;
    const auto b = operands.bias.data<float>();
    bias.assign(b.begin(), b.end());
  }
  // Bias, bounds, residual and a new output; `dims` as ConvForm::place gave them.
  kernels::GemmF32Call call(runtime::StepContext& c, const kernels::RowSource& a,
                            const Dims& dims) const {
    kernels::GemmF32Call call;
    call.type = call.a_type = type;
    call.a = a;
    call.residual = residual_of(form, c, dims);
    call.out_stride = call.residual_stride = form.outputs;
    call.bias = bias.empty() ? nullptr : bias.data();
    call.min = bounds.min;
    call.max = bounds.max;
    call.out = c.make(0, dtype_of(type), dims).raw_mutable();
    return call;
  }
};

struct FloatConv {
  FloatForm common;
  FloatProduct product;
  bool flatten;
  std::optional<ConvLines> lines;
  const kernels::halves::Table* halves;

  // Whether pixels are widened first of all: tile by tile each of them would be for every position
  // and again for many a panel.
  bool widens(const ConvShape& shape) const {
    return common.type != product.weights.row->operands && shape.positions() > 1;
  }

  void operator()(runtime::StepContext& c) const {
    Tensor x = c.in(common.form.x);
    Dims dims;
    const ConvShape shape = common.form.place(x.dims(), dims);
    kernels::FloatType type = common.type;
    if (widens(shape)) {
      x = widened(c, x, *halves);
      type = kernels::FloatType::f32;
    }
    kernels::RowSource a = source_of(x.raw(), shape, common.zeros.data(), flatten);
    ConvLines::Padded padded;
    if (lines) {
      padded = lines->pad(c, x.raw(), shape, common.zeros.data(), kernels::element_bytes(type));
      a = padded.source();
    }
    kernels::GemmF32Call call = common.call(c, a, dims);
    call.a_type = type;
    product.run(c, call, shape.pixels());
  }
};

template <typename Weights>
struct FloatWinograd {
  FloatForm common;
  Weights weights;
  std::shared_ptr<const Buffer> packed;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(common.form.x);
    Dims dims;
    const ConvShape shape = common.form.place(x.dims(), dims);
    const kernels::GemmF32Call call = common.call(
        c, kernels::RowSource::pixels(x.raw(), shape, common.zeros.data(), false), dims);
    run_tiles(
        c, Weights::tiles(shape), weights,
        [&](int64_t tiles) { return kernels::scratch_bytes(weights, tiles); },
        [&](kernels::Range tiles, kernels::Range panels, std::byte* scratch) {
          kernels::run(weights, call, tiles, panels, scratch);
        });
  }
};

struct FloatDepthwise {
  FloatForm common;
  const kernels::DwconvF32Row* row;
  std::shared_ptr<const Buffer> packed;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(common.form.x);
    Dims dims;
    const ConvShape shape = common.form.place(x.dims(), dims);
    kernels::DwconvF32Call call;
    call.type = common.type;
    call.in = x.raw();
    call.padding = common.zeros.data();
    call.bias = common.bias.empty() ? nullptr : common.bias.data();
    call.min = common.bounds.min;
    call.max = common.bounds.max;
    call.out = c.make(0, dtype_of(common.type), dims).raw_mutable();
    const WorkerScratch scratch(c, kernels::scratch_bytes(*row, shape));
    const auto* weights = reinterpret_cast<const float*>(packed->data());
    run_rows(c, shape, [&](kernels::Range rows, int worker) {
      kernels::run(*row, shape, weights, call, rows, scratch.of(worker));
    });
  }
};

struct ByteConv {
  ConvForm form;
  ByteProduct product;
  bool flatten;
  std::optional<ConvLines> lines;
  std::vector<uint8_t> padding;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(form.x);
    Dims dims;
    const ConvShape shape = form.place(x.dims(), dims);
    kernels::GemmU8S8Call call = product.call();
    std::vector<int32_t> folded;
    std::vector<uint8_t> own_padding;
    const uint8_t* pad = padding.data();
    if (form.zero_point && c.has(*form.zero_point)) {
      const int64_t za = single_int(c.in(*form.zero_point));
      product.set_zero_point(call, static_cast<int32_t>(za), folded);
      own_padding.assign(padding.size(), static_cast<uint8_t>(za));
      pad = own_padding.data();
    }
    call.a = source_of(x.raw(), shape, pad, flatten);
    ConvLines::Padded padded;
    if (lines) {
      padded = lines->pad(c, x.raw(), shape, pad, 1);
      call.a = padded.source();
    }
    call.epilogue.residual = static_cast<const float*>(residual_of(form, c, dims));
    call.out_stride = call.epilogue.residual_stride = shape.oc;
    call.out = c.make(0, product.numbers.out, dims).raw_mutable();
    product.run(c, call, shape.pixels());
  }
};

struct ByteWinograd {
  ConvForm form;
  kernels::WinogradWeights weights;
  std::shared_ptr<const Buffer> packed;
  ByteEpilogue epilogue;
  std::vector<uint8_t> padding;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(form.x);
    Dims dims;
    const ConvShape shape = form.place(x.dims(), dims);
    kernels::GemmU8S8Call call = epilogue.call();
    call.a = kernels::RowSource::pixels(x.raw(), shape, padding.data(), false);
    call.epilogue.residual = static_cast<const float*>(residual_of(form, c, dims));
    call.out_stride = call.epilogue.residual_stride = shape.oc;
    call.out = c.make(0, epilogue.numbers.out, dims).raw_mutable();
    run_tiles(
        c, kernels::winograd_tiles(shape), weights,
        [&](int64_t tiles) { return kernels::winograd_scratch_bytes(weights, tiles); },
        [&](kernels::Range tiles, kernels::Range panels, std::byte* scratch) {
          kernels::winograd_run(weights, call, tiles, panels, scratch);
        });
  }
};

struct ByteDepthwise {
  ConvForm form;
  const kernels::DwconvU8S8Row* row;
  std::shared_ptr<const Buffer> packed;
  ByteNumbers numbers;
  bool small_scales;
  std::vector<uint8_t> padding;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(form.x);
    Dims dims;
    const ConvShape shape = form.place(x.dims(), dims);
    kernels::DwconvU8S8Call call;
    call.in = x.raw();
    call.padding = padding.data();
    call.a_signed = numbers.a_signed;
    call.kind = numbers.kind;
    if (numbers.kind == kernels::GemmOutput::f32) {
      call.min = numbers.min;
      call.max = numbers.max;
    }
    call.zero = numbers.zero;
    call.qmin = numbers.qmin;
    call.qmax = numbers.qmax;
    call.small_scales = small_scales;
    call.out = c.make(0, numbers.out, dims).raw_mutable();
    const WorkerScratch scratch(c, kernels::scratch_bytes(*row, shape));
    run_rows(c, shape, [&](kernels::Range rows, int worker) {
      kernels::run(*row, shape, packed->data(), call, rows, scratch.of(worker));
    });
  }
};

// Tiles of many images share the transformed weights: Winograd pays for batches where it does not
// for one image.
struct ByteConvByBatch {
  ByteConv direct;
  ByteWinograd tiles;
  int64_t from;  // images

  void operator()(runtime::StepContext& c) const {
    const Dims& in = c.in(direct.form.x).dims();
    !in.empty() && in[0] >= from ? tiles(c) : direct(c);
  }
};

// The least batch for which Winograd is the choice, 0 if it is not a small one.
int64_t winograd_batch(ConvShape expected, base::IsaSet isa) {
  for (expected.n = 2; expected.n <= 8; ++expected.n)
    if (kernels::select_winograd(expected, isa)) return expected.n;
  return 0;
}

template <typename Step>
runtime::Call call_of(Step step) {
  return [step = std::make_shared<const Step>(std::move(step))](runtime::StepContext& c) {
    return guarded([&] { (*step)(c); });
  };
}

}  // namespace

std::optional<ConvForm> ConvForm::of(const ir::Node& node, const Dims& weight) {
  if (weight.size() != 3 && weight.size() != 4) return {};
  ConvForm f;
  f.window = window_of(node, Dims(weight.begin() + 2, weight.end()));
  f.groups = node.attr_int("group", 1);
  f.outputs = weight[0];
  if (f.groups < 1 || f.outputs % f.groups != 0 || weight[1] < 1)
    base::fail_input("E17", "a weight of shape {} in {} groups", tensor::to_string(weight),
                     f.groups);
  f.inputs = base::checked_mul(weight[1], f.groups);
  return f;
}

ConvShape ConvForm::shape() const {
  ConvShape s;
  const size_t y = window.rank() == 2 ? 0 : SIZE_MAX, x = window.rank() - 1;
  s.c = inputs;
  s.oc = outputs;
  s.groups = groups;
  if (y == 0) {
    s.kh = window.kernel[0];
    s.stride_h = window.strides[0];
    s.dilation_h = window.dilations[0];
  }
  s.kw = window.kernel[x];
  s.stride_w = window.strides[x];
  s.dilation_w = window.dilations[x];
  return s;
}

ConvShape ConvForm::expected_shape() const {
  ConvShape s = shape();
  s.oh = s.ow = -1;
  if (expected.size() != 4) return s;
  s.oh = expected[2];
  s.ow = expected[3];
  return s;
}

ConvShape ConvForm::place(const Dims& in, Dims& out) const {
  const size_t axes = window.rank();
  if (in.size() != axes + 2 || in.back() != inputs)
    base::fail_input("E17", "a channels-last input of shape {} for {} channels",
                     tensor::to_string(in), inputs);
  ConvShape s = shape();
  s.n = in[0];
  const std::vector<WindowAxis> placed = window.place(std::span(in).subspan(1, axes));
  if (axes == 2) {
    s.h = placed[0].in;
    s.oh = placed[0].out;
    s.pad_top = placed[0].begin;
  }
  const WindowAxis& x = placed.back();
  s.w = x.in;
  s.ow = x.out;
  s.pad_left = x.begin;
  out = {s.n};
  for (const WindowAxis& a : placed) out.push_back(a.out);
  out.push_back(s.oc);
  return s;
}

std::optional<FloatOperands> FloatOperands::of(const runtime::BindContext& c, int64_t outputs) {
  const runtime::Wire &x = c.in(0), &w = c.in(1), &y = c.outputs[0];
  const auto type = float_type(x.dtype);
  if (!type || w.dtype != x.dtype || y.dtype != x.dtype || y.quant) return {};
  FloatOperands operands{*type, in_float32(*w.constant, c.isa), {}};
  if (c.has(2)) {
    const Tensor* b = c.in(2).constant;
    if (!b || b->dtype() != x.dtype || b->count() != outputs) return {};
    operands.bias = in_float32(*b, c.isa);
  }
  return operands;
}

runtime::Bound conv_float(const ConvForm& form, const FloatOperands& operands, Bounds bounds,
                          base::IsaSet isa) {
  const ConvShape shape = form.shape();
  const ConvShape expected = form.expected_shape();
  const float* w = operands.weight.data<float>().data();
  FloatForm common(form, operands, bounds);
  if (shape.depthwise() && !form.residual) {
    const kernels::DwconvF32Row& row = kernels::select_dwconv_f32(isa);
    auto memory = Buffer::allocate(kernels::packed_bytes(row, shape));
    kernels::pack(row, shape, w, reinterpret_cast<float*>(memory->data()));
    return {call_of(FloatDepthwise{std::move(common), &row, std::move(memory)}), row.name};
  }
  const auto winograd = [&](const auto& row, const char* tiles) -> runtime::Bound {
    auto memory = Buffer::allocate(kernels::packed_bytes(row, shape));
    const auto weights = kernels::pack(row, shape, w, memory->data());
    FloatWinograd<std::remove_const_t<decltype(weights)>> step{std::move(common), weights,
                                                               std::move(memory)};
    return runtime::Bound{call_of(std::move(step)), row.name}.because(
        for_winograd(tiles, expected));
  };
  const auto& direct =
      kernels::select_gemm_f32({-1, kernels::conv_layout(shape), operands.type}, isa);
  if (direct.operands == kernels::FloatType::bf16) {
    if (const auto* row = kernels::select_winograd_bf16(expected, isa))
      return winograd(*row, kTiles2);
  } else if (const auto* row = kernels::select_winograd_f32(expected, isa)) {
    return winograd(*row, kTiles4);
  }
  std::optional<ConvLines> lines;
  if (ConvLines::wanted(shape)) lines.emplace(shape, 1);
  const kernels::MatrixLayout layout = lines ? lines->layout() : kernels::conv_layout(shape);
  FloatProduct product({-1, layout, operands.type}, lines ? lines->weights(w).data() : w, isa);
  const kernels::GemmF32Row& row = *product.weights.row;
  FloatConv step{std::move(common), std::move(product), layout.flatten, lines,
                 &kernels::halves::table(isa)};
  return runtime::Bound{call_of(std::move(step)), row.name}.because(
      why_products(row, operands.type, isa));
}

runtime::Bound conv_u8s8(const ConvForm& form, const Tensor& weight, ByteNumbers numbers,
                         base::IsaSet isa) {
  const ConvShape shape = form.shape();
  const auto pad = static_cast<uint8_t>(numbers.za);
  if (shape.depthwise() && !form.residual && !form.zero_point) {
    const auto n = static_cast<size_t>(shape.oc);
    if (numbers.scale.size() == 1) numbers.scale.assign(n, numbers.scale[0]);
    kernels::DwconvU8S8Constants constants;
    constants.a_signed = numbers.a_signed;
    constants.w_signed = numbers.w_signed;
    constants.za = numbers.za;
    constants.zw = numbers.zw.empty() ? nullptr : numbers.zw.data();
    constants.zw_count = static_cast<int64_t>(numbers.zw.size());
    constants.bias = numbers.bias.empty() ? nullptr : numbers.bias.data();
    constants.scale = numbers.scale.empty() ? nullptr : numbers.scale.data();
    if (kernels::dwconv_u8s8_fits(shape, weight.raw(), constants)) {
      const kernels::DwconvU8S8Row& row = kernels::select_dwconv_u8s8(shape.c, isa);
      auto memory = Buffer::allocate(kernels::packed_bytes(row, shape));
      kernels::pack(row, shape, weight.raw(), constants, memory->data());
      const bool small = numbers.small_scales();
      ByteDepthwise step{form,
                         &row,
                         std::move(memory),
                         std::move(numbers),
                         small,
                         std::vector<uint8_t>(static_cast<size_t>(shape.c), pad)};
      return runtime::Bound{call_of(std::move(step)), row.name, true}.because(
          "depthwise; exact: weights less their zero points are in [-128, 127]");
    }
  }
  const bool no_zeros = numbers.w_signed && numbers.zw.empty();  // of the weights
  const ConvShape expected = form.expected_shape();
  const auto in_tiles = [&](const kernels::WinogradRow& row, ByteNumbers own) {
    auto memory = Buffer::allocate(kernels::winograd_packed_bytes(row, shape));
    std::vector<int32_t> sums(static_cast<size_t>(shape.oc));
    const auto weights =
        kernels::winograd_pack(row, shape, reinterpret_cast<const int8_t*>(weight.raw()),
                               reinterpret_cast<int8_t*>(memory->data()), sums.data());
    return ByteWinograd{form, weights, std::move(memory),
                        ByteEpilogue(std::move(own), std::move(sums)),
                        std::vector<uint8_t>(static_cast<size_t>(shape.c), pad)};
  };
  std::optional<ByteWinograd> tiles;  // for batches
  int64_t batch = 0;
  std::string direct;
  if (no_zeros && !form.zero_point) {
    if (const auto* row = kernels::select_winograd(expected, isa))
      return runtime::Bound{call_of(in_tiles(*row, std::move(numbers))), row->name, true}.because(
          for_winograd(kTiles4, expected) + "; exact in 16 and 32 bits");
    direct = against_winograd(expected);
    if (form.expected.size() == 4 && form.expected[0] < 0) batch = winograd_batch(expected, isa);
    if (batch > 0) {
      ConvShape many = expected;
      many.n = batch;
      tiles = in_tiles(*kernels::select_winograd(many, isa), numbers);
      direct += fmt::format(" for fewer than {} images", batch);
    }
  }
  // Zeros against the excess of a row are zeros only where the weights' zero point is 0. Magnitudes
  // have no excess.
  std::optional<ConvLines> lines;
  const auto* w = reinterpret_cast<const uint8_t*>(weight.raw());
  if (ConvLines::wanted(shape) && no_zeros) {
    using Form = ConvLines::Form;
    lines.emplace(shape, 8, Form::joined);
    const auto kind =
        kernels::select_gemm_u8s8({-1, lines->layout()}, lines->weights(w).data(), true, isa).form;
    if (kind == kernels::GemmU8S8Form::quads) lines.emplace(shape, 4, Form::joined);
    if (kind == kernels::GemmU8S8Form::magnitudes) lines.emplace(shape, 1);
    constexpr int64_t kTile = kernels::tiles::kRowBytes;
    if (kind == kernels::GemmU8S8Form::tiles && ConvLines::folds(shape, kTile))
      lines.emplace(shape, kTile, Form::folded);
  }
  const kernels::MatrixLayout layout = lines ? lines->layout() : kernels::conv_layout(shape);
  ByteProduct product(layout, lines ? lines->weights(w).data() : w, std::move(numbers), -1, isa);
  const std::string name = product.name();
  const std::string why = why_exact(*product.weights.row) + direct;
  ByteConv step{form, std::move(product), layout.flatten, lines,
                std::vector<uint8_t>(static_cast<size_t>(shape.group_inputs()), pad)};
  if (tiles)
    return runtime::Bound{call_of(ByteConvByBatch{std::move(step), *std::move(tiles), batch}), name,
                          true}
        .because(why);
  return runtime::Bound{call_of(std::move(step)), name, true}.because(why);
}

}  // namespace tersor::ops::detail
