// Element types, with the numbers of ONNX TensorProto.DataType.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tersor {

enum class DType : int32_t {
  kUndefined = 0,
  kFloat32 = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kFloat64 = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUint2 = 25,
  kInt2 = 26,
  kFloat6E2M3 = 27,  // carried, not computed with: 6 bits each, lowest first, over the whole tensor
  kFloat6E3M2 = 28,
};

namespace tensor {

// Bits of one element; 0 for strings and unknown codes. 4- and 2-bit types are packed, first
// element in the lowest bits, over the whole tensor.
int bits(DType type) noexcept;
// "float32", "uint8", ...; "type 99" for a code unknown here.
std::string name(DType type);
DType parse_dtype(std::string_view name);  // kUndefined if unknown

bool is_float(DType type) noexcept;    // any floating type incl. 8- and 4-bit ones
bool is_integer(DType type) noexcept;  // signed or unsigned, any width; not bool
bool is_signed(DType type) noexcept;
// Smallest and largest value of an integer type of at most 32 bits.
int64_t lowest(DType type) noexcept;
int64_t highest(DType type) noexcept;

}  // namespace tensor
}  // namespace tersor
