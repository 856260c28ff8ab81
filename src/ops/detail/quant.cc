#include "ops/detail/quant.h"

#include "base/error.h"
#include "ops/detail/walk.h"

namespace tersor::ops::detail {

ScaleMap scale_map(std::span<const int64_t> dims, std::span<const int64_t> scale, int64_t axis,
                   int64_t block) {
  ScaleMap m;
  m.length = base::element_count(dims);
  const auto rank = static_cast<int>(dims.size());
  if (block < 0) base::fail_input("E22", "attribute block_size is {}", block);
  if (block > 0) {
    const int a = normalize_axis(axis, rank);
    const AxisSplit s = split_at(dims, a);
    Dims want(dims.begin(), dims.end());
    want[static_cast<size_t>(a)] = (s.length + block - 1) / block;
    if (!std::ranges::equal(want, scale))
      base::fail_input("E17", "a scale of shape {} for blocks of {} along axis {} of {}",
                       tensor::to_string(scale), block, a, tensor::to_string(dims));
    return {
        s.outer, s.length, s.inner, block, want[static_cast<size_t>(a)], ScaleMap::Kind::kBlock};
  }
  if (base::element_count(scale) == 1) return m;
  if (scale.size() != 1)
    base::fail_input("E17", "a scale of shape {} for a tensor of {}", tensor::to_string(scale),
                     tensor::to_string(dims));
  const AxisSplit s = split_at(dims, normalize_axis(axis, rank));
  if (s.length != scale[0])
    base::fail_input("E17", "{} scales along an axis of {} elements", scale[0], s.length);
  return {s.outer, s.length, s.inner, 0, 1, ScaleMap::Kind::kAxis};
}

namespace {

void check_zero_point(const Tensor& scale, const Tensor* zero_point) {
  if (zero_point && zero_point->count() != scale.count())
    base::fail_input("E17", "a scale of shape {} and a zero point of {}",
                     tensor::to_string(scale.dims()), tensor::to_string(zero_point->dims()));
}

float narrowed(float v, DType precision) {
  if (precision == DType::kFloat16) return tensor::to_float(tensor::to_half(v));
  if (precision == DType::kBfloat16) return tensor::to_float(tensor::to_bfloat16(v));
  return v;
}

template <typename T>
std::vector<T> integers(const Tensor& t) {
  std::vector<T> v(static_cast<size_t>(t.count()));
  const auto copy = [&](auto span) { std::ranges::copy(span, v.begin()); };
  switch (t.dtype()) {
    case DType::kUint8:
      copy(t.data<uint8_t>());
      break;
    case DType::kInt8:
      copy(t.data<int8_t>());
      break;
    case DType::kInt32:
      copy(t.data<int32_t>());
      break;
    default:
      for (size_t i = 0; i < v.size(); ++i)
        v[i] = static_cast<T>(tensor::as_int64(t, static_cast<int64_t>(i)));
  }
  return v;
}

}  // namespace

Tensor quantize(const Tensor& x, const Tensor& scale, const Tensor* zero_point,
                const QuantizeOptions& o) {
  check_zero_point(scale, zero_point);
  const ScaleMap map = scale_map(x.dims(), scale.dims(), o.axis, o.block);
  const Tensor values = tensor::to_float32(x), scales = tensor::to_float32(scale);
  const auto in = values.data<float>();
  const auto s = scales.data<float>();
  if (tensor::is_float(o.to)) {
    Tensor quotient = Tensor::empty(DType::kFloat32, x.dims());
    const auto out = quotient.mutable_data<float>();
    for_each_run(map, [&](int64_t at, int64_t n, int64_t k) {
      for (int64_t e = at; e < at + n; ++e) out[e] = narrowed(in[e] / s[k], o.precision);
    });
    return tensor::cast(quotient, o.to, o.saturate);
  }
  if (!tensor::is_integer(o.to) || tensor::bits(o.to) > 16)
    base::fail_unsupported("QuantizeLinear to {}", tensor::name(o.to));
  const int64_t low = tensor::lowest(o.to), high = tensor::highest(o.to);
  Tensor wide = Tensor::empty(DType::kInt32, x.dims());
  const auto out = wide.mutable_data<int32_t>();
  for_each_run(map, [&](int64_t at, int64_t n, int64_t k) {
    const int64_t zero = zero_point ? tensor::as_int64(*zero_point, k) : 0;
    for (int64_t e = at; e < at + n; ++e)
      out[e] = static_cast<int32_t>(
          saturated(std::nearbyintf(narrowed(in[e] / s[k], o.precision)), zero, low, high));
  });
  return tensor::cast(wide, o.to);
}

Tensor dequantize(const Tensor& x, const Tensor& scale, const Tensor* zero_point, int64_t axis,
                  int64_t block, DType to) {
  check_zero_point(scale, zero_point);
  const ScaleMap map = scale_map(x.dims(), scale.dims(), axis, block);
  const Tensor scales = tensor::to_float32(scale);
  const auto s = scales.data<float>();
  Tensor real = Tensor::empty(DType::kFloat32, x.dims());
  const auto out = real.mutable_data<float>();
  if (tensor::is_float(x.dtype())) {
    const Tensor values = tensor::to_float32(x);
    const auto in = values.data<float>();
    for_each_run(map, [&](int64_t at, int64_t n, int64_t k) {
      for (int64_t e = at; e < at + n; ++e) out[e] = in[e] * s[k];
    });
  } else {
    const std::vector<int64_t> in = integers<int64_t>(x);
    for_each_run(map, [&](int64_t at, int64_t n, int64_t k) {
      const int64_t zero = zero_point ? tensor::as_int64(*zero_point, k) : 0;
      for (int64_t e = at; e < at + n; ++e)
        out[e] = static_cast<float>(in[static_cast<size_t>(e)] - zero) * s[k];
    });
  }
  return tensor::cast(real, to);
}

std::vector<int32_t> centred(const Tensor& x, const Tensor* zero_point, Dims zero_dims) {
  std::vector<int32_t> v = integers<int32_t>(x);
  if (!zero_point) return v;
  if (broadcast_dims(zero_dims, x.dims()) != x.dims())
    base::fail_input("E17", "a zero point of shape {} for a tensor of {}",
                     tensor::to_string(zero_dims), tensor::to_string(x.dims()));
  const std::vector<int32_t> zeros = integers<int32_t>(*zero_point);
  size_t e = 0;
  walk<1>(x.dims(), {broadcast_strides(zero_dims, x.dims())},
          [&](const std::array<int64_t, 1>& at) { v[e++] -= zeros[static_cast<size_t>(at[0])]; });
  return v;
}

float single_float(const Tensor& t) {
  if (t.count() != 1)
    base::fail_input("E22", "a scale of shape {} where one number is needed",
                     tensor::to_string(t.dims()));
  return static_cast<float>(tensor::as_double(t, 0));
}

int64_t single_int(const Tensor& t) {
  if (t.count() != 1)
    base::fail_input("E22", "a zero point of shape {} where one number is needed",
                     tensor::to_string(t.dims()));
  return tensor::as_int64(t, 0);
}

}  // namespace tersor::ops::detail
