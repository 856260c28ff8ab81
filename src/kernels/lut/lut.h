// Functions of one byte: a table of 256 entries, indexed by the byte in memory (int8 -1 is 255).
#pragma once

#include <cmath>
#include <cstdint>

#include "base/isa.h"

namespace tersor::kernels::lut {

using Bytes = void (*)(const uint8_t* entries, const uint8_t* x, uint8_t* y, int64_t n) noexcept;
struct Table {
  base::Isa isa;
  // y[i] = entries[x[i]]; y may be x.
  Bytes bytes;
  void (*floats)(const float* entries, const uint8_t* x, float* y, int64_t n) noexcept;
};
const Table& table(base::IsaSet isa) noexcept;

// A byte wire: real = float(q - zero) * scale, q read as uint8 or int8.
struct ByteFormat {
  float scale = 1;
  int32_t zero = 0;
  bool is_signed = false;

  float real(uint8_t code) const noexcept {
    const int32_t q = is_signed ? static_cast<int8_t>(code) : code;
    return static_cast<float>(q - zero) * scale;
  }
  // saturate(rint(real / scale) + zero); NaN gives the lowest code.
  uint8_t code(float real) const noexcept {
    const int32_t low = is_signed ? -128 : 0, high = low + 255;
    const float q = real / scale;
    if (!(q > static_cast<float>(low - zero))) return static_cast<uint8_t>(low);
    if (q > static_cast<float>(high - zero)) return static_cast<uint8_t>(high);
    return static_cast<uint8_t>(static_cast<int32_t>(std::nearbyint(q)) + zero);
  }
};

// entries[code] = to.code(f(from.real(code))).
template <typename F>
void build(const ByteFormat& from, const ByteFormat& to, uint8_t (&entries)[256], F f) {
  for (int i = 0; i < 256; ++i) entries[i] = to.code(f(from.real(static_cast<uint8_t>(i))));
}
// The same reals in another format.
inline void build_requantize(const ByteFormat& from, const ByteFormat& to,
                             uint8_t (&entries)[256]) noexcept {
  build(from, to, entries, [](float x) { return x; });
}

}  // namespace tersor::kernels::lut
