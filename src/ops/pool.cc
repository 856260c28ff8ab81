// MaxPool (1, 8, 10, 11, 12, 22), AveragePool (1, 7, 10, 11, 19, 22), LpPool (2, 11, 18, 22) and
// their Global forms, over any number of spatial axes.
#include <cmath>
#include <limits>

#include "ops/detail/conv_shape.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/pool_step.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer_window(InferContext& c) {
  std::optional<ir::Shape> out;
  if (const auto& x = c.shape(0)) {
    if (x->size() < 3) base::fail_input("E17", "pooling over shape {}", ir::to_string(*x));
    out = ir::Shape(x->begin(), x->begin() + 2);
    for (ir::Dim& d : window_of(c.node, {}).infer(std::span(*x).subspan(2)))
      out->push_back(std::move(d));
  }
  c.out(0, c.elem(0), out);
  if (c.output_count() > 1) c.out(1, DType::kInt64, out);
}

void infer_global(InferContext& c) {
  auto out = c.shape(0);
  if (out) {
    if (out->size() < 2) base::fail_input("E17", "pooling over shape {}", ir::to_string(*out));
    for (size_t i = 2; i < out->size(); ++i) (*out)[i] = ir::Dim(1);
  }
  c.out(0, c.elem(0), std::move(out));
}

struct Pooling {
  std::vector<WindowAxis> axes;
  Dims dims, spatial;
  int64_t planes, in_size, out_size;
};
Pooling pooling_of(const ComputeContext& c, bool global) {
  const Tensor& x = c.in(0);
  if (x.rank() < (global ? 2 : 3))
    base::fail_input("E17", "pooling over shape {}", tensor::to_string(x.dims()));
  Pooling p;
  const auto in = std::span(x.dims()).subspan(2);
  if (global) {
    for (int64_t d : in) p.axes.push_back({.in = d, .out = 1, .kernel = d});
  } else {
    p.axes = window_of(c.node, {}).place(in);
  }
  p.spatial = outputs_of(p.axes);
  p.dims = {x.dim(0), x.dim(1)};
  p.dims.insert(p.dims.end(), p.spatial.begin(), p.spatial.end());
  p.planes = base::checked_mul(x.dim(0), x.dim(1));
  p.in_size = base::element_count(in);
  p.out_size = base::element_count(p.spatial);
  return p;
}

// Column-major number of the input element at row-major `offset`.
int64_t column_major(std::span<const WindowAxis> axes, int64_t offset) {
  int64_t result = 0;
  for (size_t i = axes.size(); i-- > 0;) {
    int64_t weight = 1;
    for (size_t j = 0; j < i; ++j) weight *= axes[j].in;
    result += offset % axes[i].in * weight;
    offset /= axes[i].in;
  }
  return result;
}

template <bool kGlobal>
void reference_max(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const Pooling p = pooling_of(c, kGlobal);
  const bool columns = c.node.attr_int("storage_order", 0) != 0;
  int64_t* indices = nullptr;
  if (!kGlobal && c.wants(1))
    indices = c.out(1, DType::kInt64, p.dims).mutable_data<int64_t>().data();
  dispatch<kFloatTypes | kIntegerTypes>(x.dtype(), [&]<typename T>() {
    using Value = arithmetic_t<T>;
    using Limits = std::numeric_limits<Value>;
    const T* in = x.data<T>().data();
    T* out = c.out(0, x.dtype(), p.dims).template mutable_data<T>().data();
    std::vector<Tap> taps;
    int64_t o = 0;
    for_each_index(p.spatial, [&](std::span<const int64_t> index) {
      taps_at(p.axes, index, taps);
      for (int64_t plane = 0; plane < p.planes; ++plane) {
        Value best =
            Limits::has_infinity ? static_cast<Value>(-Limits::infinity()) : Limits::lowest();
        int64_t where = taps.empty() ? 0 : taps[0].offset;
        for (const Tap& t : taps)
          if (const auto v = load(in[plane * p.in_size + t.offset]); v > best || v != v) {
            best = v;
            where = t.offset;
          }
        out[plane * p.out_size + o] = store<T>(best);
        if (indices)
          indices[plane * p.out_size + o] =
              plane * p.in_size + (columns ? column_major(p.axes, where) : where);
      }
      ++o;
    });
  });
}

// The number of taps of the output at `index` that lie inside the padded input.
int64_t padded_taps(std::span<const WindowAxis> axes, std::span<const int64_t> index) {
  int64_t count = 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    const WindowAxis& a = axes[i];
    const int64_t room = a.in + a.end - (index[i] * a.stride - a.begin);
    count *= std::clamp<int64_t>((room + a.dilation - 1) / a.dilation, 0, a.kernel);
  }
  return count;
}

template <bool kGlobal>
void reference_average(ComputeContext& c) {
  const Pooling p = pooling_of(c, kGlobal);
  const bool padding_counts = c.node.attr_int("count_include_pad", 0) != 0;
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(c.in(0));
    const T* in = x.data<T>().data();
    WideOutput<T> y(c, 0, c.in(0).dtype(), p.dims);
    T* out = y.begin();
    std::vector<Tap> taps;
    int64_t o = 0;
    for_each_index(p.spatial, [&](std::span<const int64_t> index) {
      taps_at(p.axes, index, taps);
      const int64_t count =
          padding_counts ? padded_taps(p.axes, index) : static_cast<int64_t>(taps.size());
      for (int64_t plane = 0; plane < p.planes; ++plane) {
        double sum = 0;
        for (const Tap& t : taps) sum += static_cast<double>(in[plane * p.in_size + t.offset]);
        out[plane * p.out_size + o] =
            static_cast<T>(count ? sum / static_cast<double>(count) : 0.0);
      }
      ++o;
    });
    y.finish();
  });
}

template <bool kGlobal>
void reference_lp(ComputeContext& c) {
  const Pooling p = pooling_of(c, kGlobal);
  const auto power = static_cast<double>(c.node.attr_int("p", 2));
  if (power < 1) base::fail_input("E22", "attribute p is {}", power);
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(c.in(0));
    const T* in = x.data<T>().data();
    WideOutput<T> y(c, 0, c.in(0).dtype(), p.dims);
    T* out = y.begin();
    std::vector<Tap> taps;
    int64_t o = 0;
    for_each_index(p.spatial, [&](std::span<const int64_t> index) {
      taps_at(p.axes, index, taps);
      for (int64_t plane = 0; plane < p.planes; ++plane) {
        double sum = 0;
        for (const Tap& t : taps)
          sum += std::pow(std::fabs(static_cast<double>(in[plane * p.in_size + t.offset])), power);
        out[plane * p.out_size + o] = static_cast<T>(std::pow(sum, 1 / power));
      }
      ++o;
    });
    y.finish();
  });
}

template <PoolKind kKind, bool kGlobal>
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  return bind_pool(node, c, kKind, kGlobal);
}

constexpr Operator pools(const char* name, bool global, PoolKind kind) {
  const bool max = kind == PoolKind::kMax;
  return {
      .name = name,
      .infer = global ? infer_global : infer_window,
      .reference = max ? (global ? reference_max<true> : reference_max<false>)
                       : (global ? reference_average<true> : reference_average<false>),
      .traits = {.quant = max ? QuantClass::kMoves : QuantClass::kCombines,
                 .layout = LayoutClass::kChannelsLast},
      .bind = max ? (global ? bind<PoolKind::kMax, true> : bind<PoolKind::kMax, false>)
                  : (global ? bind<PoolKind::kAverage, true> : bind<PoolKind::kAverage, false>)};
}

}  // namespace

extern const Operator kMaxPool = pools("MaxPool", false, PoolKind::kMax);
extern const Operator kAveragePool = pools("AveragePool", false, PoolKind::kAverage);
extern const Operator kGlobalMaxPool = pools("GlobalMaxPool", true, PoolKind::kMax);
extern const Operator kGlobalAveragePool = pools("GlobalAveragePool", true, PoolKind::kAverage);
extern const Operator kLpPool{
    .name = "LpPool", .since = 2, .infer = infer_window, .reference = reference_lp<false>};
extern const Operator kGlobalLpPool{
    .name = "GlobalLpPool", .since = 2, .infer = infer_global, .reference = reference_lp<true>};

}  // namespace tersor::ops
