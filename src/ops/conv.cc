// Conv (1, 11, 22): y[n, m, o] = b[m] + sum over channels c of m's group and taps k of
// x[n, c, o * stride - begin + k * dilation] * w[m, c, k]. Any number of spatial axes.
#include "ops/detail/bind.h"
#include "ops/detail/conv_step.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  const auto &x = c.shape(0), &w = c.shape(1);
  if (!x && !w) return c.out(0, c.elem(0));
  const size_t rank = x ? x->size() : w->size();
  if (rank < 3 || (w && w->size() != rank))
    base::fail_input("E17", "an input of shape {} and a weight of shape {}",
                     x ? ir::to_string(*x) : "?", w ? ir::to_string(*w) : "?");
  ir::Shape out(rank);
  if (x) out[0] = (*x)[0];
  if (w) out[1] = (*w)[0];
  std::optional<Dims> kernel;
  if (w) kernel = ir::to_dims(ir::Shape(w->begin() + 2, w->end()));
  if (!kernel && c.node.has("kernel_shape")) kernel = c.node.attr_ints("kernel_shape");
  if (x && kernel) {
    const ir::Shape spatial = window_of(c.node, *kernel).infer(std::span(*x).subspan(2));
    std::ranges::copy(spatial, out.begin() + 2);
  }
  c.out(0, c.elem(0), std::move(out));
}

void check(const Tensor& x, const Tensor& w, const Tensor* b, int64_t group) {
  const bool fits = x.rank() >= 3 && w.rank() == x.rank() && group >= 1 && x.dim(1) % group == 0 &&
                    w.dim(0) % group == 0 && x.dim(1) / group == w.dim(1) &&
                    (!b || (b->rank() == 1 && b->dim(0) == w.dim(0)));
  if (!fits)
    base::fail_input("E17", "an input of shape {}, a weight of shape {}, {} groups",
                     tensor::to_string(x.dims()), tensor::to_string(w.dims()), group);
}

template <typename T>
void run(ComputeContext& c) {
  const Tensor x = widened<T>(c.in(0)), w = widened<T>(c.in(1));
  Tensor b;
  if (c.has(2)) b = widened<T>(c.in(2));
  const int64_t group = c.node.attr_int("group", 1);
  check(x, w, b.defined() ? &b : nullptr, group);
  const auto axes = window_of(c.node, Dims(w.dims().begin() + 2, w.dims().end()))
                        .place(std::span(x.dims()).subspan(2));
  const int64_t channels = w.dim(1), filters = w.dim(0), per_group = filters / group;
  const int64_t in_size = base::element_count(std::span(x.dims()).subspan(2));
  const int64_t kernel_size = base::element_count(std::span(w.dims()).subspan(2));
  Dims dims{x.dim(0), filters};
  const Dims spatial = outputs_of(axes);
  dims.insert(dims.end(), spatial.begin(), spatial.end());
  const int64_t out_size = base::element_count(spatial);
  WideOutput<T> y(c, 0, c.in(0).dtype(), dims);
  T* out = y.begin();
  const T *in = x.data<T>().data(), *weight = w.data<T>().data();
  const T* bias = b.defined() ? b.data<T>().data() : nullptr;
  int64_t o = 0;
  std::vector<Tap> taps;
  for_each_index(spatial, [&](std::span<const int64_t> index) {
    taps_at(axes, index, taps);
    for (int64_t n = 0; n < x.dim(0); ++n)
      for (int64_t m = 0; m < filters; ++m) {
        double sum = bias ? static_cast<double>(bias[m]) : 0.0;
        for (int64_t k = 0; k < channels; ++k) {
          const T* from = in + (n * x.dim(1) + m / per_group * channels + k) * in_size;
          const T* with = weight + (m * channels + k) * kernel_size;
          for (const Tap& t : taps)
            sum += static_cast<double>(from[t.offset]) * static_cast<double>(with[t.tap]);
        }
        out[(n * filters + m) * out_size + o] = static_cast<T>(sum);
      }
    ++o;
  });
  y.finish();
}

void reference(ComputeContext& c) {
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() { run<T>(c); });
}

// Channels-last with one or two spatial axes and constant weights. Input 3, if there is one, is a
// residual of the output's shape that is added before the clip.
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has_output(0) || !c.in(1).constant) return {};
  const runtime::Wire &x = c.in(0), &w = c.in(1), &y = c.outputs[0];
  if (!channels_last(x) || !channels_last(y) || w.constant->rank() != x.rank) return {};
  const auto form = ConvForm::of(node, w.constant->dims());
  if (!form) return {};
  ConvForm f = *form;
  f.expected = y.dims;
  if (c.has(3)) {
    if (c.in(3).dtype != y.dtype || y.quant || !channels_last(c.in(3))) return {};
    f.residual = 3;
  }
  if (x.quant || w.quant) {
    auto numbers = byte_numbers(node, x, w, c.has(2) ? &c.in(2) : nullptr, y, 0, f.outputs);
    if (!numbers) return {};
    return conv_u8s8(f, *w.constant, *std::move(numbers), c.isa).has_packed({1, 2});
  }
  const auto operands = FloatOperands::of(c, f.outputs);
  if (!operands) return {};
  return conv_float(f, *operands, bounds_of(node), c.isa).has_packed({1, 2});
}

}  // namespace

extern const Operator kConv{.name = "Conv",
                            .infer = infer,
                            .reference = reference,
                            .traits = {.quant = QuantClass::kWeighted,
                                       .data_inputs = 15,
                                       .layout = LayoutClass::kChannelsLast,
                                       .fuses_clip = true,
                                       .fuses_residual = true},
                            .bind = bind};

}  // namespace tersor::ops
