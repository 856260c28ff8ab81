#include "ops/detail/bytes.h"

namespace tersor::ops::detail {

std::optional<ByteFormat> byte_format(const runtime::Wire& wire) {
  if (!wire.quant || !wire.quant->per_tensor() || wire.quant->zero_points.size() > 1) return {};
  if (wire.dtype != DType::kUint8 && wire.dtype != DType::kInt8) return {};
  const int zero = wire.quant->zero_points.empty() ? 0 : wire.quant->zero_point();
  return ByteFormat{wire.quant->scale(), zero, wire.dtype == DType::kInt8};
}

ByteTable requantize_table(const ByteFormat& from, const ByteFormat& to) {
  ByteTable table;
  for (int i = 0; i < 256; ++i)
    table[static_cast<size_t>(i)] = to.code(from.real(static_cast<uint8_t>(i)));
  return table;
}

bool is_identity(const ByteTable& table) {
  for (size_t i = 0; i < 256; ++i)
    if (table[i] != i) return false;
  return true;
}

Tensor mapped(runtime::StepContext& c, const ByteMap& map, const Tensor& from, DType dtype) {
  Tensor y = c.arena->make(dtype, from.dims());
  const std::byte* in = from.raw();
  std::byte* out = y.raw_mutable();
  c.pool->parallel_for(y.count(), 32768, [&](int64_t begin, int64_t end, int) {
    map(in + begin, out + begin, end - begin);
  });
  return y;
}

}  // namespace tersor::ops::detail
