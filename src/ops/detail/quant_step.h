// QuantizeLinear and DequantizeLinear between float32 and integers of 8 or 16 bits (and from
// int32), per tensor or per axis, on the kernels of kernels/quantize.
#pragma once

#include <optional>
#include <vector>

#include "kernels/quantize/quantize.h"
#include "ops/operator.h"

namespace tersor::ops::detail {

struct IntegerFormat {
  DType dtype = DType::kUint8;
  std::vector<float> scales;   // one, or one per element of `axis`
  std::vector<int32_t> zeros;  // as many
  int axis = -1;               // physical; -1: per tensor

  bool per_tensor() const { return axis < 0; }
};

// The format that constant scale and zero point (wires 1 and 2) give to a tensor like `data`, with
// its layout. `dtype`: the integer type. nullopt if they are no constants, blocked, zero, or of a
// type without kernels.
std::optional<IntegerFormat> integer_format(const ir::Node& node, const runtime::BindContext& c,
                                            const runtime::Wire& data, DType dtype);

// x and y hold elements of physical dimensions `dims`.
void quantize_all(const kernels::quantize::Table& table, const IntegerFormat& format,
                  std::span<const int64_t> dims, const float* x, void* y,
                  runtime::ThreadPool& pool);
// From ONNX order, `dims` [n, channels, spatial...], to channels-last; per tensor, 8 bits.
void quantize_pixels(const kernels::quantize::Table& table, const IntegerFormat& format,
                     std::span<const int64_t> dims, const float* x, void* y,
                     runtime::ThreadPool& pool);
void dequantize_all(const kernels::quantize::Table& table, const IntegerFormat& format,
                    std::span<const int64_t> dims, const void* x, float* y,
                    runtime::ThreadPool& pool);

// The range of finite values, 0 included, as DynamicQuantizeLinear turns it into a format of uint8.
struct DynamicFormat {
  float scale;
  uint8_t zero;
};
DynamicFormat dynamic_format(float low, float high);
DynamicFormat dynamic_format(const kernels::quantize::Table& table, const float* x, int64_t n,
                             runtime::ThreadPool& pool);

}  // namespace tersor::ops::detail
