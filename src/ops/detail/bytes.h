// 8-bit wires as real numbers, and tables over their 256 codes. A code is the byte in memory,
// whatever its sign: int8 -1 is code 255.
#pragma once

#include <array>
#include <cmath>
#include <optional>

#include "kernels/lut/lut.h"
#include "runtime/step.h"

namespace tersor::ops::detail {

using ByteTable = std::array<uint8_t, 256>;

// real = (q - zero) * scale, with q the code read as uint8 or int8.
struct ByteFormat {
  float scale = 1;
  int zero = 0;
  bool is_signed = false;

  float real(uint8_t code) const noexcept {
    const int q = is_signed ? static_cast<int8_t>(code) : code;
    return static_cast<float>(q - zero) * scale;
  }
  // Round half to even of real / scale, plus zero, saturated. NaN gives the lowest code.
  uint8_t code(float real) const noexcept {
    const int low = is_signed ? -128 : 0, high = low + 255;
    const float q = std::nearbyint(real / scale);
    if (!(q > static_cast<float>(low - zero))) return static_cast<uint8_t>(low);
    if (q > static_cast<float>(high - zero)) return static_cast<uint8_t>(high);
    return static_cast<uint8_t>(static_cast<int>(q) + zero);
  }
  DType dtype() const noexcept { return is_signed ? DType::kInt8 : DType::kUint8; }
  bool operator==(const ByteFormat&) const = default;
};

// The format of an 8-bit wire quantized per tensor; nullopt for any other wire.
std::optional<ByteFormat> byte_format(const runtime::Wire& wire);
// Codes of `to` nearest to the reals of the codes of `from`.
ByteTable requantize_table(const ByteFormat& from, const ByteFormat& to);
bool is_identity(const ByteTable& table);

// A table and the kernel that applies it.
struct ByteMap {
  ByteTable entries;
  decltype(kernels::lut::Table::bytes) run;
  ByteMap(const ByteTable& table, const base::IsaSet& isa)
      : entries(table), run(kernels::lut::table(isa).bytes) {}
  void operator()(const std::byte* from, std::byte* to, int64_t n) const noexcept {
    run(entries.data(), reinterpret_cast<const uint8_t*>(from), reinterpret_cast<uint8_t*>(to), n);
  }
};
// `from` through a table into a fresh tensor of another byte type, in parallel.
Tensor mapped(runtime::StepContext& c, const ByteMap& map, const Tensor& from, DType dtype);

}  // namespace tersor::ops::detail
