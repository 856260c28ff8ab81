#include "tensor/float_types.h"

#include <cmath>
#include <limits>

namespace tersor::tensor {
namespace {

// A float format of `exponent` and `mantissa` bits. `fnuz`: no infinity, no minus zero, NaN is
// 0x80.
struct Format {
  int exponent, mantissa, bias;
  bool has_infinity, fnuz, has_nan, has_sign;
};

Format format_of(DType type) {
  switch (type) {
    case DType::kFloat8E4M3FN:
      return {4, 3, 7, false, false, true, true};
    case DType::kFloat8E4M3FNUZ:
      return {4, 3, 8, false, true, true, true};
    case DType::kFloat8E5M2:
      return {5, 2, 15, true, false, true, true};
    case DType::kFloat8E5M2FNUZ:
      return {5, 2, 16, false, true, true, true};
    default:
      return {2, 1, 1, false, false, false, true};  // float4e2m1
  }
}

double magnitude(const Format& f, int code) {  // code without the sign bit
  const int e = code >> f.mantissa, m = code & ((1 << f.mantissa) - 1);
  if (e == 0) return std::ldexp(m, 1 - f.bias - f.mantissa);
  return std::ldexp((1 << f.mantissa) + m, e - f.bias - f.mantissa);
}

int largest_finite(const Format& f) {
  const int all = (1 << (f.exponent + f.mantissa)) - 1;
  if (f.has_infinity) return all - (1 << f.mantissa);  // exponent of all ones is special
  if (f.fnuz || !f.has_nan) return all;
  return all - 1;  // e4m3fn: only all ones is NaN
}

}  // namespace

float to_float(Half h) noexcept {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16;
  const uint32_t exponent = (h.bits >> 10) & 31u;
  const uint32_t mantissa = h.bits & 1023u;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13) | (mantissa ? 0x400000u : 0));
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

Half to_half(float f) noexcept {
  const uint32_t u = std::bit_cast<uint32_t>(f);
  const auto sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
  const uint32_t a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u | ((a >> 13) & 0x3ffu))};
  if (a >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // rounds past 65504
  if (a < 0x38800000u) {  // subnormal: the addition rounds to the grid of 2^-24
    const float r = std::bit_cast<float>(a) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(r) - 0x3f000000u))};
  }
  const uint32_t odd = (a >> 13) & 1u;
  return {static_cast<uint16_t>(sign | ((a - 0x38000000u + 0xfffu + odd) >> 13))};
}

Bfloat16 to_bfloat16(float f) noexcept {
  const uint32_t u = std::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((u >> 16) | 0x40u)};
  return {static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

float small_to_float(DType type, uint8_t bits) noexcept {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (type == DType::kFloat8E8M0) {
    return bits == 255 ? kNan : static_cast<float>(std::ldexp(1.0, static_cast<int>(bits) - 127));
  }
  const Format f = format_of(type);
  const int width = f.exponent + f.mantissa;
  const int code = bits & ((1 << width) - 1);
  const bool negative = (bits >> width) & 1;
  if (f.fnuz && negative && code == 0) return kNan;
  if (code > largest_finite(f)) {
    const bool infinite = f.has_infinity && code == largest_finite(f) + 1;
    if (!infinite) return kNan;
    return negative ? -std::numeric_limits<float>::infinity()
                    : std::numeric_limits<float>::infinity();
  }
  const auto value = static_cast<float>(magnitude(f, code));
  return negative ? -value : value;
}

uint8_t float_to_small(DType type, float value, bool saturate) noexcept {
  if (type == DType::kFloat8E8M0) {  // powers of two, rounded up
    if (std::isnan(value)) return 255;
    const double v = std::fabs(static_cast<double>(value));
    if (v == 0) return 0;
    int e = 0;
    const double m = std::frexp(v, &e);
    const int code = (m == 0.5 ? e - 1 : e) + 127;
    if (code < 0) return 0;
    if (code > 254) return saturate ? 254 : 255;
    return static_cast<uint8_t>(code);
  }
  const Format f = format_of(type);
  const int width = f.exponent + f.mantissa;
  const int top = largest_finite(f);
  const auto sign = static_cast<uint8_t>(std::signbit(value) ? 1 << width : 0);
  const auto nan_code = static_cast<uint8_t>(f.fnuz ? 1 << width : sign | ((1 << width) - 1));
  if (std::isnan(value)) return f.has_nan ? nan_code : 0;
  const double v = std::fabs(static_cast<double>(value));
  int low = 0, high = top;  // largest code whose magnitude is <= v
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (magnitude(f, middle) <= v) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  int code = low;
  const double here = magnitude(f, low);
  const double step = magnitude(f, low) - (low ? magnitude(f, low - 1) : 0);
  const double next = low < top ? magnitude(f, low + 1) : here + step;
  const double middle = here + (next - here) / 2;
  if (v > middle || (v == middle && (low & 1))) ++code;
  if (code > top || std::isinf(value)) {
    const bool keep = saturate || !f.has_nan;
    if (keep) {
      code = top;
    } else {
      return f.has_infinity ? static_cast<uint8_t>(sign | (top + 1)) : nan_code;
    }
  }
  if (f.fnuz && code == 0) return 0;
  return static_cast<uint8_t>(sign | code);
}

}  // namespace tersor::tensor
