// Resize (10, 11, 13, 18, 19) and Upsample (7, 9): interpolation along any axes, one axis after the
// other.
#include "kernels/resize/resize.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/error.h"
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

enum class Mode : uint8_t { kNearest, kLinear, kCubic };

struct Form {
  Mode mode = Mode::kNearest;
  std::string coordinates, rounding, policy;
  double cubic_a = -0.75, extrapolation = 0;
  bool antialias = false, exclude_outside = false, upsample = false;
  int scales_input = 2, sizes_input = 3, roi_input = 1;
};

Form form_of(const ir::Node& node, int version) {
  Form f;
  f.upsample = node.op == "Upsample";
  const bool old = f.upsample || version < 11;  // only scales, at input 1; x / scale
  const std::string mode = node.attr_string("mode", "nearest");
  if (mode == "nearest")
    f.mode = Mode::kNearest;
  else if (mode == "linear" || mode == "bilinear")
    f.mode = Mode::kLinear;
  else if (mode == "cubic")
    f.mode = Mode::kCubic;
  else
    base::fail_input("E22", "attribute mode is {}", base::quoted(mode));
  if (old) {
    f.scales_input = 1;
    f.sizes_input = f.roi_input = -1;
  }
  f.coordinates =
      node.attr_string("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  f.rounding = node.attr_string("nearest_mode", old ? "toward_input" : "round_prefer_floor");
  f.policy = node.attr_string("keep_aspect_ratio_policy", "stretch");
  f.cubic_a = static_cast<double>(node.attr_float("cubic_coeff_a", -0.75F));
  f.extrapolation = static_cast<double>(node.attr_float("extrapolation_value", 0));
  f.antialias = node.attr_int("antialias", 0) != 0;
  f.exclude_outside = node.attr_int("exclude_outside", 0) != 0;
  return f;
}

// How one axis is resized.
struct Axis {
  int64_t in = 1, out = 1;
  double scale = 1, from = 0, to = 1;  // region of interest, as shares
};

double rounded_half_up(double v) { return std::floor(v + 0.5); }

int64_t checked_size(double v) {
  if (!(v >= 0) || v > 0x1p40) base::fail_input("E22", "an axis would have {} elements", v);
  return static_cast<int64_t>(v);
}

// Which axes a list of the node speaks of.
std::vector<int> listed_axes(const ir::Node& node, int rank) {
  std::vector<int64_t> axes = node.attr_ints("axes");
  std::vector<int> list;
  if (axes.empty()) {
    for (int i = 0; i < rank; ++i) list.push_back(i);
    return list;
  }
  for (int64_t a : axes) list.push_back(normalize_axis(a, rank));
  return list;
}

// `scales` and `sizes` are empty where the node does not give them.
std::vector<Axis> axes_of(const ir::Node& node, const Form& f, const Dims& dims,
                          const std::vector<double>& scales, const std::vector<int64_t>& sizes,
                          const std::vector<double>& roi) {
  const int rank = static_cast<int>(dims.size());
  std::vector<Axis> axes;
  for (int64_t d : dims) axes.push_back({.in = d, .out = d});
  const std::vector<int> list = listed_axes(node, rank);
  if (scales.empty() == sizes.empty()) base::fail_input("E22", "it needs either scales or sizes");
  if (std::max(scales.size(), sizes.size()) != list.size())
    base::fail_input("E17", "there are {} scales or sizes for {} axes",
                     std::max(scales.size(), sizes.size()), list.size());
  if (!roi.empty() && roi.size() == 2 * list.size())
    for (size_t i = 0; i < list.size(); ++i) {
      axes[static_cast<size_t>(list[i])].from = roi[i];
      axes[static_cast<size_t>(list[i])].to = roi[i + list.size()];
    }
  const bool crops = f.coordinates == "tf_crop_and_resize";
  if (crops && roi.size() != 2 * list.size())
    base::fail_input("E22", "tf_crop_and_resize needs roi");
  if (!scales.empty()) {
    for (size_t i = 0; i < list.size(); ++i) {
      Axis& a = axes[static_cast<size_t>(list[i])];
      if (!(scales[i] > 0) || !std::isfinite(scales[i]))
        base::fail_input("E22", "scale {} is {}", i, scales[i]);
      a.scale = scales[i];
      const double share = crops ? a.to - a.from : 1;
      a.out = checked_size(std::floor(static_cast<double>(a.in) * share * a.scale));
    }
    return axes;
  }
  const bool keep = f.policy == "not_larger" || f.policy == "not_smaller";
  double common = f.policy == "not_larger" ? HUGE_VAL : 0;
  for (size_t i = 0; i < list.size(); ++i) {
    Axis& a = axes[static_cast<size_t>(list[i])];
    if (sizes[i] < 0) base::fail_input("E22", "size {} is {}", i, sizes[i]);
    a.out = checked_size(static_cast<double>(sizes[i]));
    a.scale = a.in ? static_cast<double>(a.out) / static_cast<double>(a.in) : 1;
    common = f.policy == "not_larger" ? std::min(common, a.scale) : std::max(common, a.scale);
  }
  if (keep)
    for (int i : list) {
      Axis& a = axes[static_cast<size_t>(i)];
      a.scale = common;
      a.out = checked_size(rounded_half_up(common * static_cast<double>(a.in)));
    }
  return axes;
}

double original(const Form& f, const Axis& a, int64_t o) {
  const auto x = static_cast<double>(o), in = static_cast<double>(a.in),
             out = static_cast<double>(a.out);
  if (f.coordinates == "asymmetric") return x / a.scale;
  if (f.coordinates == "half_pixel") return (x + 0.5) / a.scale - 0.5;
  if (f.coordinates == "pytorch_half_pixel") return a.out > 1 ? (x + 0.5) / a.scale - 0.5 : 0.0;
  if (f.coordinates == "align_corners") {
    // The length as a real number, not rounded to whole elements.
    const double length = a.scale * in;
    return length == 1 || a.out <= 1 ? 0.0 : x * (in - 1) / (length - 1);
  }
  if (f.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / a.scale;
  if (f.coordinates == "half_pixel_symmetric") {
    const double adjustment = out / (a.scale * in);
    return in / 2 * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
  }
  if (f.coordinates == "tf_crop_and_resize")
    return a.out > 1 ? a.from * (in - 1) + x * (a.to - a.from) * (in - 1) / (out - 1)
                     : 0.5 * (a.from + a.to) * (in - 1);
  base::fail_input("E22", "attribute coordinate_transformation_mode is {}",
                   base::quoted(f.coordinates));
}

int64_t nearest_index(const Form& f, const Axis& a, double x) {
  double r = 0;
  // Opset 10 does not say; onnxruntime takes the floor where an axis grows, the ceiling where it
  // shrinks.
  if (f.rounding == "floor" || (f.rounding == "toward_input" && a.scale >= 1))
    r = std::floor(x);
  else if (f.rounding == "toward_input")
    r = std::ceil(x);
  else if (f.rounding == "ceil")
    r = std::ceil(x);
  else if (f.rounding == "round_prefer_ceil")
    r = std::floor(x + 0.5);
  else if (f.rounding == "round_prefer_floor")
    r = std::ceil(x - 0.5);
  else
    base::fail_input("E22", "attribute nearest_mode is {}", base::quoted(f.rounding));
  return static_cast<int64_t>(std::clamp(r, 0.0, static_cast<double>(a.in - 1)));
}

// Weights of neighbours for a position `ratio` in (0, 1] behind the neighbour before it.
std::vector<double> coefficients(const Form& f, double ratio, double scale) {
  const double s = f.antialias ? std::min(scale, 1.0) : 1.0;
  const double a = f.cubic_a;
  const int reach = f.mode == Mode::kLinear ? 1 : 2;
  const auto weight = [&](double x) {
    x = std::fabs(x);
    if (f.mode == Mode::kLinear) return std::max(0.0, 1 - x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0.0;
  };
  const int start = static_cast<int>(std::floor(-reach / s)) + 1;
  std::vector<double> c;
  for (int i = start; i < 2 - start; ++i) c.push_back(weight(s * (i - ratio)));
  if (s < 1) {
    double sum = 0;
    for (double v : c) sum += v;
    for (double& v : c) v /= sum;
  }
  return c;
}

// The inputs of one output position along an axis. Outside the input everything is 0 taps: the
// extrapolation value.
struct Position {
  std::vector<std::pair<int64_t, double>> taps;
};

std::vector<Position> positions(const Form& f, const Axis& a) {
  const bool crops = f.coordinates == "tf_crop_and_resize";
  std::vector<Position> list(static_cast<size_t>(a.out));
  for (int64_t o = 0; o < a.out; ++o) {
    const double x = original(f, a, o);
    std::vector<std::pair<int64_t, double>>& taps = list[static_cast<size_t>(o)].taps;
    if (crops && (x < 0 || x > static_cast<double>(a.in - 1))) continue;
    if (f.mode == Mode::kNearest) {
      taps.emplace_back(nearest_index(f, a, x), 1.0);
      continue;
    }
    const double before = std::ceil(x) - 1;
    std::vector<double> c = coefficients(f, x - before, a.scale);
    const auto first = static_cast<int64_t>(before) + 1 - static_cast<int64_t>(c.size() / 2);
    double sum = 0;
    for (size_t i = 0; i < c.size(); ++i) {
      const int64_t at = first + static_cast<int64_t>(i);
      if (f.exclude_outside && (at < 0 || at >= a.in)) c[i] = 0;
      sum += c[i];
    }
    for (size_t i = 0; i < c.size(); ++i) {
      if (f.exclude_outside) c[i] /= sum;
      if (c[i] != 0)
        taps.emplace_back(std::clamp<int64_t>(first + static_cast<int64_t>(i), 0, a.in - 1), c[i]);
    }
  }
  return list;
}

std::vector<double> doubles(const Tensor& t) {
  std::vector<double> v;
  for (int64_t i = 0; i < t.count(); ++i) v.push_back(tensor::as_double(t, i));
  return v;
}

std::vector<Axis> axes_of(const ComputeContext& c, const Form& f) {
  const auto given = [&](int i) -> const Tensor* {
    return i >= 0 && c.has(static_cast<size_t>(i)) && c.in(static_cast<size_t>(i)).count() > 0
               ? &c.in(static_cast<size_t>(i))
               : nullptr;
  };
  std::vector<double> scales, roi;
  std::vector<int64_t> sizes;
  if (const Tensor* t = given(f.scales_input)) scales = doubles(*t);
  if (f.upsample && scales.empty())
    for (float s : c.node.attr_floats("scales")) scales.push_back(static_cast<double>(s));
  if (const Tensor* t = given(f.sizes_input)) sizes = tensor::to_int64s(*t);
  if (const Tensor* t = given(f.roi_input)) roi = doubles(*t);
  return axes_of(c.node, f, c.in(0).dims(), scales, sizes, roi);
}

Dims out_dims(const std::vector<Axis>& axes) {
  Dims dims;
  for (const Axis& a : axes) dims.push_back(a.out);
  base::element_count(dims);
  return dims;
}

// Any element type: bytes are copied.
void run_nearest(ComputeContext& c, const Form& f, const std::vector<Axis>& axes) {
  const Tensor& x = c.in(0);
  const Dims dims = out_dims(axes);
  const auto width = static_cast<size_t>(tensor::bits(x.dtype()) / 8);
  if (width == 0)
    base::fail_unsupported("element type {} is not supported here", tensor::name(x.dtype()));
  Tensor& y = c.out(0, x.dtype(), dims);
  std::vector<std::vector<Position>> tables;
  for (const Axis& a : axes) tables.push_back(positions(f, a));
  const Dims strides = strides_of(x.dims());
  Tensor fill = tensor::cast(Tensor::scalar(f.extrapolation), x.dtype());
  Dims index(dims.size(), 0);
  for (int64_t o = 0; o < y.count(); ++o) {
    int64_t from = 0;
    bool inside = true;
    for (size_t d = 0; d < dims.size(); ++d) {
      const auto& taps = tables[d][static_cast<size_t>(index[d])].taps;
      inside &= !taps.empty();
      if (!taps.empty()) from += taps[0].first * strides[d];
    }
    std::copy_n(inside ? x.raw() + static_cast<size_t>(from) * width : fill.raw(), width,
                y.raw_mutable() + static_cast<size_t>(o) * width);
    for (size_t d = dims.size(); d-- > 0;) {
      if (++index[d] < dims[d]) break;
      index[d] = 0;
    }
  }
}

void run_weighted(ComputeContext& c, const Form& f, const std::vector<Axis>& axes) {
  const DType dtype = c.in(0).dtype();
  const Dims dims = out_dims(axes);
  Tensor now = tensor::cast(c.in(0), DType::kFloat64);
  std::vector<bool> outside(static_cast<size_t>(base::element_count(dims)), false);
  for (size_t d = 0; d < axes.size(); ++d) {
    const Axis& a = axes[d];
    const std::vector<Position> table = positions(f, a);
    const bool identity =
        a.in == a.out && a.scale == 1 && std::ranges::all_of(table, [&](const Position& p) {
          return p.taps.size() == 1 && p.taps[0].first == &p - table.data() &&
                 p.taps[0].second == 1;
        });
    if (identity) continue;
    Dims next_dims = now.dims();
    next_dims[d] = a.out;
    Tensor next = Tensor::zeros(DType::kFloat64, next_dims);
    int64_t outer = 1, inner = 1;
    for (size_t i = 0; i < d; ++i) outer *= next_dims[i];
    for (size_t i = d + 1; i < next_dims.size(); ++i) inner *= next_dims[i];
    const double* in = now.data<double>().data();
    double* out = next.mutable_data<double>().data();
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t k = 0; k < a.out; ++k)
        for (const auto& [at, weight] : table[static_cast<size_t>(k)].taps)
          for (int64_t i = 0; i < inner; ++i)
            out[(o * a.out + k) * inner + i] += weight * in[(o * a.in + at) * inner + i];
    now = std::move(next);
  }
  if (f.coordinates == "tf_crop_and_resize") {
    double* out = now.mutable_data<double>().data();
    std::vector<std::vector<Position>> tables;
    for (const Axis& a : axes) tables.push_back(positions(f, a));
    Dims index(dims.size(), 0);
    for (int64_t o = 0; o < now.count(); ++o) {
      for (size_t d = 0; d < dims.size(); ++d)
        if (tables[d][static_cast<size_t>(index[d])].taps.empty()) out[o] = f.extrapolation;
      for (size_t d = dims.size(); d-- > 0;) {
        if (++index[d] < dims[d]) break;
        index[d] = 0;
      }
    }
  }
  Tensor& y = c.out(0, dtype, dims);
  y = tensor::cast(now, dtype);
}

void reference(ComputeContext& c) {
  const Form f = form_of(c.node, c.version);
  const std::vector<Axis> axes = axes_of(c, f);
  for (const Axis& a : axes)
    if (a.in == 0 && a.out > 0)
      base::fail_input("E17", "an empty axis cannot be resized to {}", a.out);
  if (f.mode == Mode::kNearest)
    run_nearest(c, f, axes);
  else
    run_weighted(c, f, axes);
}

void infer(InferContext& c) {
  const Form f = form_of(c.node, c.version);
  if (!c.shape(0)) return c.out(0, c.elem(0));
  ir::Shape y = *c.shape(0);
  const std::vector<int> list = listed_axes(c.node, static_cast<int>(y.size()));
  std::optional<std::vector<double>> scales;
  if (const Tensor* t = c.constant(static_cast<size_t>(f.scales_input)); t && t->count() > 0)
    scales = doubles(*t);
  if (f.upsample && c.node.has("scales")) {
    scales.emplace();
    for (float s : c.node.attr_floats("scales")) scales->push_back(static_cast<double>(s));
  }
  const bool plain = f.policy == "stretch" && f.coordinates != "tf_crop_and_resize";
  if (scales && scales->size() == list.size() && plain) {
    for (size_t i = 0; i < list.size(); ++i) {
      ir::Dim& d = y[static_cast<size_t>(list[i])];
      const double s = (*scales)[i];
      if (!(s > 0) || !std::isfinite(s)) base::fail_input("E22", "scale {} is {}", i, s);
      if (d.known())
        d = ir::Dim(checked_size(std::floor(static_cast<double>(d.value) * s)));
      else if (s != 1)
        d = s == std::floor(s) ? mul(d, ir::Dim(static_cast<int64_t>(s))) : ir::Dim();
    }
    return c.out(0, c.elem(0), y);
  }
  if (f.sizes_input >= 0 && c.has(static_cast<size_t>(f.sizes_input)) && plain)
    if (const auto sizes = c.contents(static_cast<size_t>(f.sizes_input));
        sizes && sizes->size() == list.size()) {
      for (size_t i = 0; i < list.size(); ++i) y[static_cast<size_t>(list[i])] = (*sizes)[i];
      return c.out(0, c.elem(0), y);
    }
  for (int i : list) y[static_cast<size_t>(i)] = ir::Dim();
  c.out(0, c.elem(0), y);
}

// ---- channels-last -----------------------------------------------------------------------------

// Lower and upper neighbour and the weight of the upper one; nearest: the lower one only.
struct Table {
  std::vector<int32_t> lower, upper;
  std::vector<float> weight;
  Table(const Form& f, const Axis& a) {
    for (int64_t o = 0; o < a.out; ++o) {
      const double x = original(f, a, o);
      if (f.mode == Mode::kNearest) {
        lower.push_back(static_cast<int32_t>(nearest_index(f, a, x)));
        continue;
      }
      const double before = std::ceil(x) - 1;
      const auto at = [&](double v) {
        return static_cast<int32_t>(std::clamp(v, 0.0, static_cast<double>(a.in - 1)));
      };
      lower.push_back(at(before));
      upper.push_back(at(before + 1));
      weight.push_back(static_cast<float>(x - before));
    }
  }
  kernels::resize::Taps taps() const { return {lower.data(), upper.data(), weight.data()}; }
};

std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  namespace rz = kernels::resize;
  const runtime::Wire &x = c.in(0), &y = c.outputs[0];
  if (!channels_last(y) || !channels_last(x) || x.rank != 4) return {};
  const Form f = form_of(node, c.version);
  if (f.mode == Mode::kCubic || f.antialias || f.exclude_outside ||
      f.coordinates == "tf_crop_and_resize")
    return {};
  // Batch and channels must be left alone for sure: by the axes, or by constant scales or sizes.
  const std::vector<int> list = listed_axes(node, 4);
  const auto constant = [&](int i) -> const Tensor* {
    return i >= 0 && c.has(static_cast<size_t>(i)) ? c.in(static_cast<size_t>(i)).constant
                                                   : nullptr;
  };
  const Tensor *scales = constant(f.scales_input), *sizes = constant(f.sizes_input);
  std::vector<float> attribute = f.upsample ? node.attr_floats("scales") : std::vector<float>();
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] >= 2) continue;
    const auto n = static_cast<int64_t>(i);
    const bool by_scale = scales && n < scales->count() && tensor::as_double(*scales, n) == 1;
    const bool by_attribute = i < attribute.size() && attribute[i] == 1;
    const bool by_size = sizes && n < sizes->count() && list[i] < static_cast<int>(x.dims.size()) &&
                         tensor::as_int64(*sizes, n) == x.dims[static_cast<size_t>(list[i])];
    if (!by_scale && !by_attribute && !by_size) return {};
  }
  const bool bytes = x.dtype == DType::kUint8 || x.dtype == DType::kInt8;
  if (x.dtype != y.dtype || (x.dtype != DType::kFloat32 && !bytes)) return {};
  if (x.quant.has_value() != y.quant.has_value() || (bytes && f.mode != Mode::kNearest && !x.quant))
    return {};
  if (f.mode == Mode::kNearest && x.quant && !(*x.quant == *y.quant)) return {};
  rz::ByteFormats formats;
  if (x.quant && y.quant)
    formats = {x.quant->scale(), y.quant->scale(), x.quant->zero_point(), y.quant->zero_point()};
  const rz::Table& table = rz::table(c.isa);
  const std::string kernel = f.mode == Mode::kNearest
                                 ? "resize_nearest"
                                 : fmt::format("resize_linear_{}", base::name(table.isa));
  runtime::Call call = [node, f, formats, &table, version = c.version](runtime::StepContext& s) {
    return guarded([&] {
      // The reference's view: logical dimensions.
      const Tensor& in = s.in(0);
      const Dims& d = in.dims();
      std::vector<const Tensor*> inputs;
      const Tensor logical(in.dtype(), Dims{d[0], d[3], d[1], d[2]}, in.buffer(), in.offset());
      for (size_t i = 0; i < s.inputs.size(); ++i)
        inputs.push_back(i == 0 ? &logical : s.inputs[i]);
      const ComputeContext::RunBody none;
      const ComputeContext view{node, version, inputs, {}, none, {}};
      const std::vector<Axis> axes = axes_of(view, f);
      const Table rows(f, axes[2]), columns(f, axes[3]);
      const rz::Image image{d[2], axes[3].out, d[3]};
      Tensor& out = s.make(0, in.dtype(), {d[0], axes[2].out, axes[3].out, d[3]});
      if (out.count() == 0) return;
      const auto width = static_cast<int64_t>(tensor::bits(in.dtype()) / 8);
      const int64_t in_bytes = d[1] * d[2] * d[3] * width,
                    out_bytes = axes[2].out * axes[3].out * d[3] * width;
      s.pool->parallel_for(d[0] * axes[2].out, 4, [&](int64_t begin, int64_t end, int) {
        for (int64_t n = begin / axes[2].out; n * axes[2].out < end; ++n) {
          const int64_t from = std::max(begin - n * axes[2].out, int64_t{0});
          const int64_t to = std::min(end - n * axes[2].out, axes[2].out);
          const std::byte* px = in.raw() + n * in_bytes;
          std::byte* py = out.raw_mutable() + n * out_bytes;
          if (f.mode == Mode::kNearest)
            rz::nearest(px, py, d[2], axes[3].out, d[3] * width, rows.lower.data(),
                        columns.lower.data(), from, to);
          else if (in.dtype() == DType::kFloat32)
            table.linear_f32(reinterpret_cast<const float*>(px), reinterpret_cast<float*>(py),
                             image, rows.taps(), columns.taps(), from, to);
          else if (in.dtype() == DType::kUint8)
            table.linear_u8(reinterpret_cast<const uint8_t*>(px), reinterpret_cast<uint8_t*>(py),
                            image, rows.taps(), columns.taps(), from, to, formats);
          else
            table.linear_s8(reinterpret_cast<const int8_t*>(px), reinterpret_cast<int8_t*>(py),
                            image, rows.taps(), columns.taps(), from, to, formats);
        }
      });
    });
  };
  return runtime::Bound{std::move(call), kernel, x.quant.has_value()};
}

constexpr Operator resizes(const char* name, int since) {
  return {.name = name,
          .since = since,
          .infer = infer,
          .reference = reference,
          .traits = {.quant = QuantClass::kMoves, .layout = LayoutClass::kAware},
          .bind = bind};
}

}  // namespace

extern const Operator kResize = resizes("Resize", 10);
extern const Operator kUpsample = resizes("Upsample", 7);

}  // namespace tersor::ops
