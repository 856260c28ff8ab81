#include "engine/convert_layout.h"

#include <cstring>

namespace tersor::engine {
namespace {

// Transposes [rows, columns] -> [columns, rows] of T in blocks that stay in the first cache.
template <typename T>
void transpose(const T* from, T* to, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = 16;
  for (int64_t r = 0; r < rows; r += kBlock)
    for (int64_t c = 0; c < columns; c += kBlock) {
      const int64_t r_end = std::min(r + kBlock, rows), c_end = std::min(c + kBlock, columns);
      for (int64_t j = c; j < c_end; ++j)
        for (int64_t i = r; i < r_end; ++i) to[j * rows + i] = from[i * columns + j];
    }
}

void transpose_bytes(const std::byte* from, std::byte* to, int64_t rows, int64_t columns,
                     size_t size) {
  switch (size) {
    case 1:
      return transpose(reinterpret_cast<const uint8_t*>(from), reinterpret_cast<uint8_t*>(to), rows,
                       columns);
    case 2:
      return transpose(reinterpret_cast<const uint16_t*>(from), reinterpret_cast<uint16_t*>(to),
                       rows, columns);
    case 4:
      return transpose(reinterpret_cast<const uint32_t*>(from), reinterpret_cast<uint32_t*>(to),
                       rows, columns);
    default:
      return transpose(reinterpret_cast<const uint64_t*>(from), reinterpret_cast<uint64_t*>(to),
                       rows, columns);
  }
}

struct Geometry {
  Dims to;
  int64_t batch, rows, columns;
};

Geometry geometry(const Dims& from, bool to_channels_last) {
  Geometry g{{from[0]}, from[0], 1, 1};
  if (to_channels_last) {
    g.to.insert(g.to.end(), from.begin() + 2, from.end());
    g.to.push_back(from[1]);
    g.rows = from[1];
    for (size_t i = 2; i < from.size(); ++i) g.columns *= from[i];
  } else {
    g.to.push_back(from.back());
    g.to.insert(g.to.end(), from.begin() + 1, from.end() - 1);
    g.columns = from.back();
    for (size_t i = 1; i + 1 < from.size(); ++i) g.rows *= from[i];
  }
  return g;
}

Tensor convert(const Tensor& x, bool to_channels_last) {
  const Geometry g = geometry(x.dims(), to_channels_last);
  if (g.rows == 1 || g.columns == 1) return x.reshaped(g.to);
  Tensor y = Tensor::empty(x.dtype(), g.to);
  const auto size = static_cast<size_t>(tensor::bits(x.dtype())) / 8;
  for (int64_t n = 0; n < g.batch; ++n) {
    const auto offset = static_cast<size_t>(n * g.rows * g.columns) * size;
    transpose_bytes(x.raw() + offset, y.raw_mutable() + offset, g.rows, g.columns, size);
  }
  return y;
}

}  // namespace

Tensor to_channels_last(const Tensor& rows) { return convert(rows, true); }
Tensor to_rows(const Tensor& channels_last) { return convert(channels_last, false); }

runtime::Call convert_layout(bool to_channels_last) {
  return [to_channels_last](runtime::StepContext& c) {
    const Tensor& x = c.in(0);
    const Geometry g = geometry(x.dims(), to_channels_last);
    if (g.rows == 1 || g.columns == 1) {
      c.outputs[0] = x.reshaped(g.to);
      return runtime::Status{};
    }
    Tensor& y = c.make(0, x.dtype(), g.to);
    const auto size = static_cast<size_t>(tensor::bits(x.dtype())) / 8;
    c.pool->parallel_for(g.batch, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; ++n) {
        const auto offset = static_cast<size_t>(n * g.rows * g.columns) * size;
        transpose_bytes(x.raw() + offset, y.raw_mutable() + offset, g.rows, g.columns, size);
      }
    });
    return runtime::Status{};
  };
}

}  // namespace tersor::engine
