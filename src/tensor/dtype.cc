#include "tensor/dtype.h"

#include <array>

namespace tersor::tensor {
namespace {

enum class Class : uint8_t { kOther, kSigned, kUnsigned, kFloat };
struct Row {
  DType type;
  const char* name;
  int bits;
  Class kind;
};

constexpr std::array kRows{
    Row{DType::kUndefined, "undefined", 0, Class::kOther},
    Row{DType::kFloat32, "float32", 32, Class::kFloat},
    Row{DType::kUint8, "uint8", 8, Class::kUnsigned},
    Row{DType::kInt8, "int8", 8, Class::kSigned},
    Row{DType::kUint16, "uint16", 16, Class::kUnsigned},
    Row{DType::kInt16, "int16", 16, Class::kSigned},
    Row{DType::kInt32, "int32", 32, Class::kSigned},
    Row{DType::kInt64, "int64", 64, Class::kSigned},
    Row{DType::kString, "string", 0, Class::kOther},
    Row{DType::kBool, "bool", 8, Class::kOther},
    Row{DType::kFloat16, "float16", 16, Class::kFloat},
    Row{DType::kFloat64, "float64", 64, Class::kFloat},
    Row{DType::kUint32, "uint32", 32, Class::kUnsigned},
    Row{DType::kUint64, "uint64", 64, Class::kUnsigned},
    Row{DType::kComplex64, "complex64", 64, Class::kOther},
    Row{DType::kComplex128, "complex128", 128, Class::kOther},
    Row{DType::kBfloat16, "bfloat16", 16, Class::kFloat},
    Row{DType::kFloat8E4M3FN, "float8e4m3fn", 8, Class::kFloat},
    Row{DType::kFloat8E4M3FNUZ, "float8e4m3fnuz", 8, Class::kFloat},
    Row{DType::kFloat8E5M2, "float8e5m2", 8, Class::kFloat},
    Row{DType::kFloat8E5M2FNUZ, "float8e5m2fnuz", 8, Class::kFloat},
    Row{DType::kUint4, "uint4", 4, Class::kUnsigned},
    Row{DType::kInt4, "int4", 4, Class::kSigned},
    Row{DType::kFloat4E2M1, "float4e2m1", 4, Class::kFloat},
    Row{DType::kFloat8E8M0, "float8e8m0", 8, Class::kFloat},
    Row{DType::kUint2, "uint2", 2, Class::kUnsigned},
    Row{DType::kInt2, "int2", 2, Class::kSigned},
    Row{DType::kFloat6E2M3, "float6e2m3", 6, Class::kOther},
    Row{DType::kFloat6E3M2, "float6e3m2", 6, Class::kOther},
};

const Row* find(DType type) {
  const auto code = static_cast<size_t>(type);
  return code < kRows.size() ? &kRows[code] : nullptr;
}

}  // namespace

int bits(DType type) noexcept {
  const Row* row = find(type);
  return row ? row->bits : 0;
}

std::string name(DType type) {
  const Row* row = find(type);
  return row ? row->name : "type " + std::to_string(static_cast<int32_t>(type));
}

DType parse_dtype(std::string_view text) {
  for (const Row& row : kRows)
    if (text == row.name) return row.type;
  return DType::kUndefined;
}

bool is_float(DType type) noexcept {
  const Row* row = find(type);
  return row && row->kind == Class::kFloat;
}
bool is_integer(DType type) noexcept {
  const Row* row = find(type);
  return row && (row->kind == Class::kSigned || row->kind == Class::kUnsigned);
}
bool is_signed(DType type) noexcept {
  const Row* row = find(type);
  return row && (row->kind == Class::kSigned || row->kind == Class::kFloat);
}
int64_t lowest(DType type) noexcept {
  return is_signed(type) ? -(int64_t{1} << (bits(type) - 1)) : 0;
}
int64_t highest(DType type) noexcept {
  const int n = bits(type);
  return is_signed(type) ? (int64_t{1} << (n - 1)) - 1 : (int64_t{1} << n) - 1;
}

}  // namespace tersor::tensor
