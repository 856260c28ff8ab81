#include "quant/formats/int8.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/quantize/quantize.h"
#include "stats/min_max.h"

namespace tersor::quant {
namespace {

constexpr float kTiny = std::numeric_limits<float>::min();

// Elements of a tensor around one axis: index = (before * size + slice) * after + inner.
struct Around {
  int64_t before = 1, size = 1, after = 1;
  Around(const Dims& dims, int axis) {
    for (size_t d = 0; d < dims.size(); ++d) {
      if (axis < 0 || static_cast<int>(d) > axis)
        after *= dims[d];
      else if (static_cast<int>(d) == axis)
        size = dims[d];
      else
        before *= dims[d];
    }
  }
  // visit(slice, index)
  template <typename F>
  void each(F&& visit) const {
    int64_t i = 0;
    for (int64_t b = 0; b < before; ++b)
      for (int64_t s = 0; s < size; ++s)
        for (int64_t a = 0; a < after; ++a, ++i)
          visit(static_cast<size_t>(s), static_cast<size_t>(i));
  }
};

template <typename Code>
const kernels::quantize::Codes<Code>& codes() {
  static const kernels::quantize::Table& table = kernels::quantize::table(base::detect_isa());
  if constexpr (std::is_same_v<Code, int8_t>)
    return table.s8;
  else
    return table.u8;
}

// Scales lie along `around`: visits runs of elements that share one.
template <typename Visit>
void each_run(const Around& around, Visit&& visit) {
  for (int64_t run = 0; run < around.before * around.size; ++run)
    visit(static_cast<size_t>(run % around.size), run * around.after, around.after);
}

// NaN counts as 0.
float largest_magnitude(std::span<const float> values) {
  constexpr size_t kFew = 64;
  if (values.size() >= kFew) {
    stats::MinMax range;
    range.add(values);
    if (range.finite() == range.count) return std::max(-range.min, range.max);
  }
  float most = 0;
  for (float v : values) most = std::max(most, std::fabs(v));
  return most;
}

template <typename Code>
Tensor quantize_to(const Tensor& real, const Format& format) {
  Tensor out = Tensor::empty(tensor::dtype_of<Code>(), real.dims());
  const QuantParams& p = format.params;
  const Around around(real.dims(), p.axis);
  const float* x = real.data<float>().data();
  Code* q = out.mutable_data<Code>().data();
  if (around.after == 1 && around.size > 1) {
    codes<Code>().quantize_columns(x, q, around.before, around.size,
                                   {p.scales.data(), p.zero_points.data()});
    return out;
  }
  each_run(around, [&](size_t slice, int64_t from, int64_t n) {
    codes<Code>().quantize(x + from, q + from, n, {p.scales[slice], p.zero_points[slice]});
  });
  return out;
}

template <typename Code>
Tensor dequantize_from(const Tensor& stored, const Format& format) {
  Tensor out = Tensor::empty(DType::kFloat32, stored.dims());
  const QuantParams& p = format.params;
  const Around around(stored.dims(), p.axis);
  const Code* q = stored.data<Code>().data();
  float* x = out.mutable_data<float>().data();
  if (around.after == 1 && around.size > 1) {
    codes<Code>().dequantize_columns(q, x, around.before, around.size, p.scales.data(),
                                     p.zero_points.data());
    return out;
  }
  each_run(around, [&](size_t slice, int64_t from, int64_t n) {
    codes<Code>().dequantize(q + from, x + from, n, p.scales[slice], p.zero_points[slice]);
  });
  return out;
}

}  // namespace

Format asymmetric_u8(const stats::Range& range) {
  const float lo = std::min(range.lo, 0.0F), hi = std::max(range.hi, 0.0F);
  Format f{
      .dtype = DType::kUint8, .params = {.scales = {1}, .zero_points = {0}}, .range = {lo, hi}};
  const double width = static_cast<double>(hi) - static_cast<double>(lo);
  if (!(width > 0)) return f;
  float scale = std::max(static_cast<float>(width / 255), kTiny);
  if (lo == 0)
    while (scale > kTiny && scale * 255.0F > hi) scale = std::nextafter(scale, 0.0F);
  const double zero =
      std::clamp(std::nearbyint(-static_cast<double>(lo) / static_cast<double>(scale)), 0.0, 255.0);
  f.params.scales[0] = scale;
  f.params.zero_points[0] = static_cast<int32_t>(zero);
  f.range = {static_cast<float>(-zero) * scale, static_cast<float>(255 - zero) * scale};
  return f;
}

double clipped_share(const stats::TensorStats& seen, const Format& format) {
  const double half = double{format.params.scale()} / 2;
  const double lo = double{format.range.lo} - half, hi = double{format.range.hi} + half;
  // An end that nothing reached does not cut the bin it lies in.
  return seen.histogram.share_outside(double{seen.range.min} >= lo ? -HUGE_VAL : lo,
                                      double{seen.range.max} <= hi ? HUGE_VAL : hi);
}

Format symmetric_s8(const stats::Range& range) {
  const float end = std::max(-range.lo, range.hi);
  Format f{
      .dtype = DType::kInt8, .params = {.scales = {1}, .zero_points = {0}}, .range = {-end, end}};
  if (!(end > 0)) return f;
  const float scale = std::max(end / 127.0F, kTiny);
  f.params.scales[0] = scale;
  f.range = {-128 * scale, 127 * scale};
  return f;
}

Format activation_format(const stats::Range& range, const Target& target) {
  return target.activation == DType::kInt8 ? symmetric_s8(range) : asymmetric_u8(range);
}

CodeRange weight_codes(DType dtype) {
  return dtype == DType::kInt4 ? CodeRange{-8, 7} : CodeRange{-127, 127};
}

Format symmetric_weights(const Tensor& weight, int axis, DType dtype) {
  const Around around(weight.dims(), axis);
  std::vector<float> largest(static_cast<size_t>(around.size), 0.0F);
  const auto w = weight.data<float>();
  each_run(around, [&](size_t slice, int64_t from, int64_t n) {
    largest[slice] =
        std::max(largest[slice],
                 largest_magnitude(w.subspan(static_cast<size_t>(from), static_cast<size_t>(n))));
  });
  Format f{.dtype = dtype, .params = {.scales = {}, .zero_points = {}, .axis = axis}, .range = {}};
  const auto most = static_cast<float>(weight_codes(dtype).high);
  for (float m : largest) {
    // A slice of zeros has any scale.
    f.params.scales.push_back(m > 0 ? std::max(m / most, kTiny) : 1.0F / most);
    f.params.zero_points.push_back(0);
  }
  return f;
}

float least_scale_for_bias(float input_scale, float bias) {
  constexpr double kLargest = 1 << 30;
  return static_cast<float>(std::fabs(static_cast<double>(bias)) /
                            (kLargest * static_cast<double>(input_scale)));
}

void make_room_for_bias(Format& weight, float input_scale, std::span<const float> bias) {
  const bool per_channel = weight.params.scales.size() == bias.size();
  for (size_t c = 0; c < bias.size(); ++c) {
    float& scale = weight.params.scales[per_channel ? c : 0];
    scale = std::max(scale, least_scale_for_bias(input_scale, bias[c]));
  }
}

Tensor quantize(const Tensor& real, const Format& format) {
  if (format.dtype == DType::kUint8) return quantize_to<uint8_t>(real, format);
  Tensor codes = quantize_to<int8_t>(real, format);
  if (format.dtype == DType::kInt4) {
    const CodeRange range = weight_codes(format.dtype);
    for (int8_t& q : codes.mutable_data<int8_t>())
      q = static_cast<int8_t>(std::clamp<int>(q, range.low, range.high));
  }
  return codes;
}

Tensor dequantize(const Tensor& codes, const Format& format) {
  return format.dtype == DType::kUint8 ? dequantize_from<uint8_t>(codes, format)
                                       : dequantize_from<int8_t>(codes, format);
}

Bias quantize_bias(std::span<const float> bias, float input_scale, const Format& weight) {
  const auto channels = static_cast<int64_t>(bias.size());
  Bias out{Tensor::empty(DType::kInt32, {channels}), {}};
  const size_t scales = weight.params.scales.size();
  for (float s : weight.params.scales) {
    out.params.scales.push_back(std::max(input_scale * s, kTiny));
    out.params.zero_points.push_back(0);
  }
  out.params.axis = scales > 1 ? 0 : -1;
  const auto q = out.codes.mutable_data<int32_t>();
  for (size_t c = 0; c < bias.size(); ++c) {
    const double scale = static_cast<double>(out.params.scales[scales > 1 ? c : 0]);
    const double v = std::nearbyint(static_cast<double>(bias[c]) / scale);
    q[c] = static_cast<int32_t>(std::clamp(v, -2147483648.0, 2147483647.0));
  }
  return out;
}

}  // namespace tersor::quant
