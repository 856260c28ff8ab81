// The arithmetic of quantized tensors that references share.
#pragma once

#include <cmath>
#include <optional>
#include <span>

#include "ops/operator.h"

namespace tersor::ops::detail {

// An integer zero point plus a rounded real number, saturated to [low, high]. NaN gives low.
inline int64_t saturated(float rounded, int64_t zero_point, int64_t low, int64_t high) {
  const double v = static_cast<double>(rounded) + static_cast<double>(zero_point);
  if (!(v > static_cast<double>(low))) return low;
  return v >= static_cast<double>(high) ? high : static_cast<int64_t>(v);
}

// Which scale serves which elements of a tensor: one for all, one per slice of `axis`, or one per
// block of `block` elements along `axis`.
struct ScaleMap {
  int64_t outer = 1, length = 1, inner = 1, block = 0, blocks = 1;
  enum class Kind : uint8_t { kTensor, kAxis, kBlock } kind = Kind::kTensor;
};
// An Error (E17, E22) if the shape of the scale does not fit.
ScaleMap scale_map(std::span<const int64_t> dims, std::span<const int64_t> scale, int64_t axis,
                   int64_t block);

// Calls f(element, count, scale): `count` consecutive elements from `element` share scale number
// `scale`.
template <typename F>
void for_each_run(const ScaleMap& m, F&& f) {
  if (m.kind == ScaleMap::Kind::kTensor) {
    f(int64_t{0}, m.outer * m.length * m.inner, int64_t{0});
    return;
  }
  for (int64_t o = 0; o < m.outer; ++o)
    for (int64_t k = 0; k < m.length; ++k) {
      const int64_t at = (o * m.length + k) * m.inner;
      if (m.kind == ScaleMap::Kind::kAxis) {
        f(at, m.inner, k);
      } else {
        const int64_t s = (o * m.blocks + k / m.block) * m.inner;
        for (int64_t i = 0; i < m.inner; ++i) f(at + i, int64_t{1}, s + i);
      }
    }
}

// QuantizeLinear and DequantizeLinear on whole tensors; `zero_point` may be nullptr.
struct QuantizeOptions {
  int64_t axis = 1, block = 0;
  bool saturate = true;
  DType to = DType::kUint8;
  DType precision = DType::kFloat32;  // the quotient is rounded to this type
};
Tensor quantize(const Tensor& x, const Tensor& scale, const Tensor* zero_point,
                const QuantizeOptions& options);
Tensor dequantize(const Tensor& x, const Tensor& scale, const Tensor* zero_point, int64_t axis,
                  int64_t block, DType to);

// The elements of an integer tensor minus its zero point, which broadcasts to it (nullptr: none).
std::vector<int32_t> centred(const Tensor& x, const Tensor* zero_point, Dims zero_dims);
inline std::vector<int32_t> centred(const Tensor& x, const Tensor* zero_point) {
  return centred(x, zero_point, zero_point ? zero_point->dims() : Dims());
}

// The one number of a scale or zero point; an Error (E22) if there are several.
float single_float(const Tensor& t);
int64_t single_int(const Tensor& t);

// M of docs/architecture.md: float(double(sx) * sw / sy).
inline float multiplier(float sx, float sw, float sy) {
  return static_cast<float>(static_cast<double>(sx) * static_cast<double>(sw) /
                            static_cast<double>(sy));
}
inline float multiplier(float sx, float sw) {
  return static_cast<float>(static_cast<double>(sx) * static_cast<double>(sw));
}
// saturate(rint(float(acc) * M) + zp) for an integer type of at most 32 bits.
inline int64_t requantized(int32_t acc, float m, int64_t zero_point, int64_t low, int64_t high) {
  return saturated(std::nearbyintf(static_cast<float>(acc) * m), zero_point, low, high);
}

}  // namespace tersor::ops::detail
