#include "ops/detail/quant_step.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "ops/detail/bind.h"
#include "ops/detail/quant.h"
#include "ops/detail/walk.h"

namespace tersor::ops::detail {
namespace {

namespace kq = kernels::quantize;

constexpr int64_t kPiece = 16384;

template <typename T>
const kq::Codes<T>& codes(const kq::Table& table) {
  if constexpr (std::is_same_v<T, uint8_t>)
    return table.u8;
  else if constexpr (std::is_same_v<T, int8_t>)
    return table.s8;
  else if constexpr (std::is_same_v<T, uint16_t>)
    return table.u16;
  else
    return table.s16;
}

// Calls run(begin, end) for pieces of n elements, columns(first_row, rows) for pieces of a matrix
// whose columns have their own format, or slice(begin, n, k) for runs of format k.
template <typename Run, typename Columns, typename Slice>
void for_each_piece(const IntegerFormat& f, std::span<const int64_t> dims,
                    runtime::ThreadPool& pool, Run run, Columns columns, Slice slice) {
  const int64_t count = base::element_count(dims);
  if (count == 0) return;
  if (f.per_tensor()) {
    pool.parallel_for(count, kPiece, [&](int64_t begin, int64_t end, int) { run(begin, end); });
    return;
  }
  const AxisSplit s = split_at(dims, f.axis);
  if (s.length != static_cast<int64_t>(f.scales.size()))
    base::fail_input("E17", "{} scales along an axis of {} elements", f.scales.size(), s.length);
  if (s.inner == 1) {
    pool.parallel_for(s.outer, std::max<int64_t>(1, kPiece / s.length),
                      [&](int64_t begin, int64_t end, int) { columns(begin, end - begin); });
    return;
  }
  pool.parallel_for(s.outer * s.length, std::max<int64_t>(1, kPiece / s.inner),
                    [&](int64_t begin, int64_t end, int) {
                      for (int64_t i = begin; i < end; ++i)
                        slice(i * s.inner, s.inner, static_cast<size_t>(i % s.length));
                    });
}

template <typename T>
void quantize_as(const kq::Table& table, const IntegerFormat& f, std::span<const int64_t> dims,
                 const float* x, T* y, runtime::ThreadPool& pool) {
  const kq::Codes<T>& k = codes<T>(table);
  const auto length = static_cast<int64_t>(f.scales.size());
  for_each_piece(
      f, dims, pool,
      [&](int64_t begin, int64_t end) {
        k.quantize(x + begin, y + begin, end - begin, {.scale = f.scales[0], .zero = f.zeros[0]});
      },
      [&](int64_t row, int64_t rows) {
        k.quantize_columns(x + row * length, y + row * length, rows, length,
                           {.scale = f.scales.data(), .zero = f.zeros.data()});
      },
      [&](int64_t begin, int64_t n, size_t i) {
        k.quantize(x + begin, y + begin, n, {.scale = f.scales[i], .zero = f.zeros[i]});
      });
}

template <typename T>
void dequantize_as(const kq::Table& table, const IntegerFormat& f, std::span<const int64_t> dims,
                   const T* x, float* y, runtime::ThreadPool& pool) {
  const auto run = [&](const T* from, float* to, int64_t n, size_t i) {
    if constexpr (std::is_same_v<T, int32_t>)
      table.dequantize_s32(from, to, n, f.scales[i], f.zeros[i]);
    else
      codes<T>(table).dequantize(from, to, n, f.scales[i], f.zeros[i]);
  };
  const auto length = static_cast<int64_t>(f.scales.size());
  for_each_piece(
      f, dims, pool, [&](int64_t begin, int64_t end) { run(x + begin, y + begin, end - begin, 0); },
      [&](int64_t row, int64_t rows) {
        const T* from = x + row * length;
        float* to = y + row * length;
        if constexpr (std::is_same_v<T, int32_t>)
          table.dequantize_s32_columns(from, to, rows, length, f.scales.data(), f.zeros.data());
        else
          codes<T>(table).dequantize_columns(from, to, rows, length, f.scales.data(),
                                             f.zeros.data());
      },
      [&](int64_t begin, int64_t n, size_t i) { run(x + begin, y + begin, n, i); });
}

}  // namespace

std::optional<IntegerFormat> integer_format(const ir::Node& node, const runtime::BindContext& c,
                                            const runtime::Wire& data, DType dtype) {
  IntegerFormat f;
  f.dtype = dtype;
  if (!c.has(1) || !c.in(1).constant || node.attr_int("block_size", 0) != 0) return {};
  const Tensor& scale = *c.in(1).constant;
  if (scale.dtype() != DType::kFloat32 || scale.rank() > 1 || scale.count() == 0) return {};
  for (float s : scale.data<float>()) {
    if (s == 0 || !std::isfinite(s)) return {};
    f.scales.push_back(s);
  }
  f.zeros.assign(f.scales.size(), 0);
  if (c.has(2)) {
    const Tensor* zero = c.in(2).constant;
    if (!zero || zero->count() != scale.count() || zero->dtype() != dtype) return {};
    for (int64_t i = 0; i < zero->count(); ++i)
      f.zeros[static_cast<size_t>(i)] = static_cast<int32_t>(tensor::as_int64(*zero, i));
  }
  if (f.scales.size() > 1) {
    if (data.rank < 1) return {};
    f.axis = normalize_axis(node.attr_int("axis", 1), data.rank);
    if (channels_last(data)) f.axis = physical_axis(f.axis, data.rank);
  }
  return f;
}

void quantize_pixels(const kq::Table& table, const IntegerFormat& f, std::span<const int64_t> dims,
                     const float* x, void* y, runtime::ThreadPool& pool) {
  const int64_t channels = dims[1], plane = base::element_count(dims.subspan(2));
  const int64_t image = channels * plane;
  const auto run = [&]<typename T>(T* to) {
    const kq::Format<T> format{.scale = f.scales[0], .zero = f.zeros[0]};
    for (int64_t n = 0; n < dims[0]; ++n)
      pool.parallel_for(plane, std::max<int64_t>(64, kPiece / std::max<int64_t>(1, channels)),
                        [&](int64_t begin, int64_t end, int) {
                          codes<T>(table).planes_to_pixels(x + n * image, to + n * image, channels,
                                                           plane, begin, end, format);
                        });
  };
  if (f.dtype == DType::kUint8)
    run(static_cast<uint8_t*>(y));
  else
    run(static_cast<int8_t*>(y));
}

void quantize_all(const kq::Table& table, const IntegerFormat& f, std::span<const int64_t> dims,
                  const float* x, void* y, runtime::ThreadPool& pool) {
  switch (f.dtype) {
    case DType::kUint8:
      return quantize_as(table, f, dims, x, static_cast<uint8_t*>(y), pool);
    case DType::kInt8:
      return quantize_as(table, f, dims, x, static_cast<int8_t*>(y), pool);
    case DType::kUint16:
      return quantize_as(table, f, dims, x, static_cast<uint16_t*>(y), pool);
    case DType::kInt16:
      return quantize_as(table, f, dims, x, static_cast<int16_t*>(y), pool);
    default:
      base::fail_unsupported("quantization to {}", tensor::name(f.dtype));
  }
}

void dequantize_all(const kq::Table& table, const IntegerFormat& f, std::span<const int64_t> dims,
                    const void* x, float* y, runtime::ThreadPool& pool) {
  switch (f.dtype) {
    case DType::kUint8:
      return dequantize_as(table, f, dims, static_cast<const uint8_t*>(x), y, pool);
    case DType::kInt8:
      return dequantize_as(table, f, dims, static_cast<const int8_t*>(x), y, pool);
    case DType::kUint16:
      return dequantize_as(table, f, dims, static_cast<const uint16_t*>(x), y, pool);
    case DType::kInt16:
      return dequantize_as(table, f, dims, static_cast<const int16_t*>(x), y, pool);
    case DType::kInt32:
      return dequantize_as(table, f, dims, static_cast<const int32_t*>(x), y, pool);
    default:
      base::fail_unsupported("dequantization of {}", tensor::name(f.dtype));
  }
}

DynamicFormat dynamic_format(float low, float high) {
  low = std::min(low, 0.0F);
  high = std::max(high, 0.0F);
  // An all-zero input has no scale of its own; any serves.
  const float scale = (high - low) / 255.0F > 0 ? (high - low) / 255.0F : 1.0F;
  return {scale, static_cast<uint8_t>(saturated(std::nearbyintf(0.0F - low / scale), 0, 0, 255))};
}

DynamicFormat dynamic_format(const kq::Table& table, const float* x, int64_t n,
                             runtime::ThreadPool& pool) {
  kq::Scan all;
  std::mutex mutex;
  pool.parallel_for(n, 4 * kPiece, [&](int64_t begin, int64_t end, int) {
    kq::Scan mine;
    table.scan(x + begin, end - begin, mine);
    const std::lock_guard lock(mutex);
    all.min = std::min(all.min, mine.min);
    all.max = std::max(all.max, mine.max);
  });
  return dynamic_format(all.min, all.max);
}

}  // namespace tersor::ops::detail
