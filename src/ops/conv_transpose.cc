// ConvTranspose (1, 11, 22): y[n, m, i * stride - begin + k * dilation] gathers x[n, c, i] * w[c,
// m, k], plus b[m]. Any number of spatial axes.
#include "ops/detail/conv_shape.h"
#include "ops/detail/conv_transpose_step.h"
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
  if (w) out[1] = mul((*w)[1], ir::Dim(c.node.attr_int("group", 1)));
  std::optional<Dims> kernel;
  if (w) kernel = ir::to_dims(ir::Shape(w->begin() + 2, w->end()));
  if (!kernel && c.node.has("kernel_shape")) kernel = c.node.attr_ints("kernel_shape");
  if (x && kernel) {
    const ir::Shape spatial = transposed_window_of(c.node, *kernel).infer(std::span(*x).subspan(2));
    std::ranges::copy(spatial, out.begin() + 2);
  }
  c.out(0, c.elem(0), std::move(out));
}

template <typename T>
void run(ComputeContext& c) {
  const Tensor x = widened<T>(c.in(0)), w = widened<T>(c.in(1));
  Tensor b;
  if (c.has(2)) b = widened<T>(c.in(2));
  const int64_t group = c.node.attr_int("group", 1);
  if (x.rank() < 3 || w.rank() != x.rank() || group < 1 || x.dim(1) != w.dim(0) ||
      x.dim(1) % group != 0 ||
      (b.defined() && b.dims() != Dims{base::checked_mul(w.dim(1), group)}))
    base::fail_input("E17", "an input of shape {}, a weight of shape {}, {} groups",
                     tensor::to_string(x.dims()), tensor::to_string(w.dims()), group);
  const auto axes = transposed_window_of(c.node, Dims(w.dims().begin() + 2, w.dims().end()))
                        .place(std::span(x.dims()).subspan(2));
  const int64_t channels = x.dim(1) / group, per_group = w.dim(1), filters = per_group * group;
  const Dims in_dims(x.dims().begin() + 2, x.dims().end());
  const Dims kernel(w.dims().begin() + 2, w.dims().end());
  const int64_t in_size = base::element_count(in_dims), kernel_size = base::element_count(kernel);
  Dims dims{x.dim(0), filters};
  const Dims spatial = outputs_of(axes);
  dims.insert(dims.end(), spatial.begin(), spatial.end());
  const int64_t out_size = base::element_count(spatial);
  std::vector<double> sums(static_cast<size_t>(base::element_count(dims)), 0.0);
  const T *in = x.data<T>().data(), *weight = w.data<T>().data();
  int64_t i = 0;
  for_each_index(in_dims, [&](std::span<const int64_t> at) {
    int64_t k = 0;
    for_each_index(kernel, [&](std::span<const int64_t> tap) {
      int64_t o = 0;
      for (size_t a = 0; a < axes.size(); ++a) {
        const int64_t p = at[a] * axes[a].stride - axes[a].begin + tap[a] * axes[a].dilation;
        o = o < 0 || p < 0 || p >= axes[a].out ? -1 : o * axes[a].out + p;
      }
      if (o >= 0)
        for (int64_t n = 0; n < x.dim(0); ++n)
          for (int64_t ch = 0; ch < x.dim(1); ++ch) {
            const auto v = static_cast<double>(in[(n * x.dim(1) + ch) * in_size + i]);
            double* to = sums.data() + (n * filters + ch / channels * per_group) * out_size + o;
            for (int64_t m = 0; m < per_group; ++m)
              to[m * out_size] +=
                  v * static_cast<double>(weight[(ch * per_group + m) * kernel_size + k]);
          }
      ++k;
    });
    ++i;
  });
  WideOutput<T> y(c, 0, c.in(0).dtype(), dims);
  T* out = y.begin();
  for (size_t e = 0; e < sums.size(); ++e) {
    const auto m = static_cast<size_t>(static_cast<int64_t>(e) / out_size % filters);
    out[e] = static_cast<T>(sums[e] + (b.defined() ? static_cast<double>(b.data<T>()[m]) : 0.0));
  }
  y.finish();
}

void reference(ComputeContext& c) {
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() { run<T>(c); });
}

}  // namespace

extern const Operator kConvTranspose{.name = "ConvTranspose",
                                     .infer = infer,
                                     .reference = reference,
                                     .traits = {.quant = QuantClass::kWeighted,
                                                .data_inputs = 7,
                                                .layout = LayoutClass::kChannelsLast,
                                                .fuses_clip = true},
                                     .bind = bind_conv_transpose};

}  // namespace tersor::ops
