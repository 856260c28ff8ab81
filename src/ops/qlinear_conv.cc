// ConvInteger (10): int32 sums of (x - x_zero_point) * (w - w_zero_point); padding stands for the
// zero point. QLinearConv (10; com.microsoft with channels_last): the same plus an int32 bias,
// brought to y's scale.
#include <algorithm>

#include "ops/detail/bind.h"
#include "ops/detail/conv_step.h"
#include "ops/detail/quant.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer_conv(InferContext& c, size_t weight, DType elem) {
  const auto &x = c.shape(0), &w = c.shape(weight);
  if (!x || !w) return c.out(0, elem);
  if (x->size() < 3 || w->size() != x->size())
    base::fail_input("E17", "an input of shape {} and a weight of shape {}", ir::to_string(*x),
                     ir::to_string(*w));
  const size_t rank = x->size();
  const bool last = c.node.attr_int("channels_last", 0) != 0;
  const size_t first = last ? 1 : 2;
  ir::Shape out(rank);
  out[0] = (*x)[0];
  out[last ? rank - 1 : 1] = (*w)[0];
  if (const auto kernel = ir::to_dims(ir::Shape(w->begin() + 2, w->end()))) {
    const ir::Shape spatial =
        window_of(c.node, *kernel).infer(std::span(*x).subspan(first, rank - 2));
    std::ranges::copy(spatial, out.begin() + static_cast<int64_t>(first));
  }
  c.out(0, elem, std::move(out));
}

void infer_integer(InferContext& c) { infer_conv(c, 1, DType::kInt32); }
void infer_qlinear(InferContext& c) { infer_conv(c, 3, c.elem(7)); }

struct Sums {
  Dims dims;  // [n, m, spatial...]
  std::vector<int32_t> sums;
};

// x: elements of [n, c, spatial...] minus zero point; w likewise.
Sums convolve(const ir::Node& node, const std::vector<int32_t>& x, const Dims& x_dims,
              const std::vector<int32_t>& w, const Dims& w_dims) {
  const int64_t group = node.attr_int("group", 1);
  if (x_dims.size() < 3 || w_dims.size() != x_dims.size() || group < 1 || x_dims[1] % group != 0 ||
      w_dims[0] % group != 0 || x_dims[1] / group != w_dims[1])
    base::fail_input("E17", "an input of shape {}, a weight of shape {}, {} groups",
                     tensor::to_string(x_dims), tensor::to_string(w_dims), group);
  const Dims kernel(w_dims.begin() + 2, w_dims.end());
  const auto axes = window_of(node, kernel).place(std::span(x_dims).subspan(2));
  const Dims spatial = outputs_of(axes);
  Sums result{{x_dims[0], w_dims[0]}, {}};
  result.dims.insert(result.dims.end(), spatial.begin(), spatial.end());
  result.sums.resize(static_cast<size_t>(base::element_count(result.dims)));
  const int64_t in_size = base::element_count(std::span(x_dims).subspan(2));
  const int64_t out_size = base::element_count(spatial), kernel_size = base::element_count(kernel);
  const int64_t channels = w_dims[1], filters = w_dims[0], per_group = filters / group;
  std::vector<Tap> taps;
  int64_t o = 0;
  for_each_index(spatial, [&](std::span<const int64_t> index) {
    taps_at(axes, index, taps);
    for (int64_t n = 0; n < x_dims[0]; ++n)
      for (int64_t m = 0; m < filters; ++m) {
        uint32_t sum = 0;
        for (int64_t k = 0; k < channels; ++k) {
          const int32_t* from = x.data() + (n * x_dims[1] + m / per_group * channels + k) * in_size;
          const int32_t* with = w.data() + (m * channels + k) * kernel_size;
          for (const Tap& t : taps) sum += static_cast<uint32_t>(from[t.offset] * with[t.tap]);
        }
        result.sums[static_cast<size_t>((n * filters + m) * out_size + o)] =
            static_cast<int32_t>(sum);
      }
    ++o;
  });
  return result;
}

// The zero point of weights: one number, or one per filter.
std::vector<int32_t> centred_weights(const Tensor& w, const Tensor* zero) {
  if (!zero || zero->count() == 1) return centred(w, zero, {});
  Dims dims(w.dims().size(), 1);
  dims[0] = zero->count();
  return centred(w, zero, dims);
}

void reference_integer(ComputeContext& c) {
  const Tensor* x_zero = c.has(2) ? c.inputs[2] : nullptr;
  if (x_zero) single_int(*x_zero);
  const Sums s =
      convolve(c.node, centred(c.in(0), x_zero, {}), c.in(0).dims(),
               centred_weights(c.in(1), c.has(3) ? c.inputs[3] : nullptr), c.in(1).dims());
  std::ranges::copy(s.sums, c.out(0, DType::kInt32, s.dims).mutable_data<int32_t>().begin());
}

// Elements of [n, spatial..., c] in the order [n, c, spatial...], or back.
template <typename T>
std::vector<T> reordered(const std::vector<T>& v, int64_t n, int64_t rows, int64_t columns) {
  std::vector<T> r(v.size());
  size_t e = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < columns; ++k)
      for (int64_t j = 0; j < rows; ++j)
        r[e++] = v[static_cast<size_t>((i * rows + j) * columns + k)];
  return r;
}

void reference_qlinear(ComputeContext& c) {
  const bool last = c.node.attr_int("channels_last", 0) != 0;
  Dims x_dims = c.in(0).dims();
  single_int(c.in(2));
  std::vector<int32_t> x = centred(c.in(0), c.inputs[2], {});
  if (last && x_dims.size() >= 3) {
    std::rotate(x_dims.begin() + 1, x_dims.end() - 1, x_dims.end());
    x = reordered(x, x_dims[0], base::element_count(std::span(x_dims).subspan(2)), x_dims[1]);
  }
  const Sums s = convolve(c.node, x, x_dims, centred_weights(c.in(3), &c.in(5)), c.in(3).dims());
  const int64_t filters = s.dims[1], size = base::element_count(std::span(s.dims).subspan(2));
  const float sx = single_float(c.in(1)), sy = single_float(c.in(6));
  const int64_t zero = single_int(c.in(7));
  const Tensor& sw = c.in(4);
  if ((sw.count() != 1 && sw.count() != filters) || (c.has(8) && c.in(8).count() != filters))
    base::fail_input("E17", "{} scales and a bias of {} for {} filters", sw.count(),
                     c.has(8) ? c.in(8).count() : 0, filters);
  const DType to = c.in(7).dtype();
  const int64_t low = tensor::lowest(to), high = tensor::highest(to);
  std::vector<int32_t> y(s.sums.size());
  for (size_t e = 0; e < y.size(); ++e) {
    const int64_t m = static_cast<int64_t>(e) / size % filters;
    const auto w = static_cast<float>(tensor::as_double(sw, sw.count() == 1 ? 0 : m));
    const auto bias = static_cast<uint32_t>(c.has(8) ? tensor::as_int64(c.in(8), m) : 0);
    const auto sum = static_cast<int32_t>(static_cast<uint32_t>(s.sums[e]) + bias);
    y[e] = static_cast<int32_t>(requantized(sum, multiplier(sx, w, sy), zero, low, high));
  }
  Dims dims = s.dims;
  if (last) {
    y = reordered(y, dims[0], filters, size);
    std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
  }
  c.outputs[0] = tensor::cast(Tensor::of<int32_t>(dims, std::span<const int32_t>(y)), to);
}

// ---- binding: constant weights and parameters; ConvInteger's x_zero_point may come at run time
// ------

std::optional<int32_t> constant_int(const runtime::BindContext& c, size_t i) {
  if (!c.has(i)) return 0;
  if (!c.in(i).constant || c.in(i).constant->count() != 1) return {};
  return static_cast<int32_t>(tensor::as_int64(*c.in(i).constant, 0));
}

// Zero points of the weight; false if they are no constants.
bool weight_zeros(const runtime::BindContext& c, size_t i, ByteNumbers& numbers) {
  if (!c.has(i)) return true;
  if (!c.in(i).constant) return false;
  for (int64_t v : tensor::to_int64s(*c.in(i).constant))
    numbers.zw.push_back(static_cast<int32_t>(v));
  if (std::ranges::all_of(numbers.zw, [](int32_t z) { return z == 0; })) numbers.zw.clear();
  return true;
}

std::optional<runtime::Bound> bind_integer(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has_output(0) || !c.in(1).constant) return {};
  if (!channels_last(c.in(0)) || !channels_last(c.outputs[0])) return {};
  auto form = ConvForm::of(node, c.in(1).constant->dims());
  ByteNumbers numbers;
  if (!form || !weight_zeros(c, 3, numbers)) return {};
  form->expected = c.outputs[0].dims;
  if (!numbers.zw.empty() && numbers.zw.size() != 1 &&
      static_cast<int64_t>(numbers.zw.size()) != form->outputs)
    return {};
  numbers.a_signed = c.in(0).dtype == DType::kInt8;
  numbers.w_signed = c.in(1).dtype == DType::kInt8;
  if (const auto zero = constant_int(c, 2))
    numbers.za = *zero;
  else
    form->zero_point = 2;
  return conv_u8s8(*form, *c.in(1).constant, std::move(numbers), c.isa);
}

std::optional<runtime::Bound> bind_qlinear(const ir::Node& node, const runtime::BindContext& c) {
  for (size_t i = 1; i < 9; ++i)
    if (i < 8 ? !c.has(i) || !c.in(i).constant : c.has(i) && !c.in(i).constant) return {};
  // com.microsoft's channels_last: rows that lie as channels-last tensors do.
  const bool last = node.attr_int("channels_last", 0) != 0;
  if (!c.has(0) || !c.has_output(0) || channels_last(c.in(0)) == last ||
      channels_last(c.outputs[0]) == last)
    return {};
  auto form = ConvForm::of(node, c.in(3).constant->dims());
  if (!form) return {};
  if (!last) form->expected = c.outputs[0].dims;
  const auto per_filter = [&](size_t i) {
    return c.in(i).constant->count() == 1 || c.in(i).constant->count() == form->outputs;
  };
  ByteNumbers numbers;
  if (!per_filter(4) || !per_filter(5) || (c.has(8) && !per_filter(8)) ||
      !weight_zeros(c, 5, numbers) || c.in(1).constant->count() != 1 ||
      c.in(6).constant->count() != 1)
    return {};
  const auto za = constant_int(c, 2), zy = constant_int(c, 7);
  if (!za || !zy) return {};
  numbers.za = *za;
  numbers.a_signed = c.in(0).dtype == DType::kInt8;
  numbers.w_signed = c.in(3).dtype == DType::kInt8;
  const float sx = single_float(*c.in(1).constant);
  runtime::Wire out = c.outputs[0];
  out.dtype = c.in(7).dtype;
  out.quant = QuantParams{{single_float(*c.in(6).constant)}, {*zy}};
  if (!set_output(numbers, out, bounds_of(node))) return {};
  for (float sw : tensor::to_float32(*c.in(4).constant).data<float>())
    numbers.scale.push_back(multiplier(sx, sw, out.quant->scale()));
  if (c.has(8))
    for (int64_t v : tensor::to_int64s(*c.in(8).constant))
      numbers.bias.push_back(static_cast<int32_t>(v));
  if (numbers.bias.size() == 1 && form->outputs != 1) return {};
  return conv_u8s8(*form, *c.in(3).constant, std::move(numbers), c.isa);
}

}  // namespace

extern const Operator kConvInteger{.name = "ConvInteger",
                                   .since = 10,
                                   .infer = infer_integer,
                                   .reference = reference_integer,
                                   .traits = {.layout = LayoutClass::kChannelsLast},
                                   .bind = bind_integer};
extern const Operator kQLinearConv{.name = "QLinearConv",
                                   .since = 10,
                                   .infer = infer_qlinear,
                                   .reference = reference_qlinear,
                                   .traits = {.layout = LayoutClass::kChannelsLast},
                                   .bind = bind_qlinear};
extern const Operator kMicrosoftQLinearConv{.name = "QLinearConv",
                                            .domain = "com.microsoft",
                                            .infer = infer_qlinear,
                                            .reference = reference_qlinear,
                                            .bind = bind_qlinear};

}  // namespace tersor::ops
