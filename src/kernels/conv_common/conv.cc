#include "kernels/conv_common/conv.h"

#include <algorithm>
#include <cstring>

namespace tersor::kernels {

bool wants_im2col(int64_t group_inputs, int64_t positions) noexcept {
  return positions > 1 && group_inputs < 16;
}

MatrixLayout conv_layout(const ConvShape& shape) noexcept {
  MatrixLayout l;
  l.groups = shape.groups;
  l.positions = shape.positions();
  l.k = shape.group_inputs();
  l.n = shape.group_outputs();
  l.position_stride = 1;
  l.k_stride = l.positions;
  l.n_stride = l.positions * l.k;
  l.group_stride = l.n_stride * l.n;
  l.flatten = wants_im2col(l.k, l.positions);
  return l;
}

Range WorkSplit::rows(int64_t task) const noexcept {
  const int64_t begin = task % m_tasks() * m_chunk;
  return {begin, std::min(begin + m_chunk, m)};
}

Range WorkSplit::columns(int64_t task) const noexcept {
  const int64_t begin = task / m_tasks() * panel_chunk;
  return {begin, std::min(begin + panel_chunk, panels)};
}

WorkSplit split_work(int64_t m, int64_t panels, int mr, int threads) noexcept {
  WorkSplit s;
  s.m = m;
  s.panels = panels;
  s.m_chunk = std::max<int64_t>(m, 1);
  s.panel_chunk = std::max<int64_t>(panels, 1);
  if (threads <= 1) return s;
  // A few tasks a thread, so that a late one can be balanced. Rows are cut at whole tiles.
  const int64_t wanted = 4 * static_cast<int64_t>(threads);
  const int64_t tiles = (m + mr - 1) / mr;
  const int64_t m_tasks = std::clamp<int64_t>(tiles, 1, wanted);
  s.m_chunk = std::max<int64_t>((tiles + m_tasks - 1) / m_tasks * mr, 1);
  const int64_t panel_tasks =
      std::clamp<int64_t>((wanted + m_tasks - 1) / m_tasks, 1, std::max<int64_t>(panels, 1));
  s.panel_chunk = std::max<int64_t>((panels + panel_tasks - 1) / panel_tasks, 1);
  return s;
}

void fill_rows(const RowSource& source, int64_t m0, int rows, int mr, int element, int64_t offset,
               const void** pointers, std::byte* gather) noexcept {
  const auto* data = static_cast<const std::byte*>(source.data);
  if (!source.conv) {
    for (int i = 0; i < rows; ++i)
      pointers[i] = data + ((m0 + i) * source.stride + offset) * element;
    return;
  }
  const ConvShape& s = *source.conv;
  const auto* padding = static_cast<const std::byte*>(source.padding);
  const size_t row_bytes = static_cast<size_t>(s.group_inputs() * element);
  for (int i = 0; i < rows; ++i) {
    const int64_t m = m0 + i, ox = m % s.ow, oy = m / s.ow % s.oh, image = m / (s.ow * s.oh);
    const int64_t y0 = oy * s.stride_h - s.pad_top, x0 = ox * s.stride_w - s.pad_left;
    const void** out = pointers + i;
    if (source.im2col) *out = gather;
    for (int64_t ky = 0; ky < s.kh; ++ky) {
      const int64_t y = y0 + ky * s.dilation_h;
      const bool inside_y = y >= 0 && y < s.h;
      const std::byte* line = data + ((image * s.h + y) * s.w * s.c + offset) * element;
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const int64_t x = x0 + kx * s.dilation_w;
        const bool inside = inside_y && x >= 0 && x < s.w;
        const std::byte* row = inside ? line + x * s.c * element : padding;
        if (source.im2col) {
          std::memcpy(gather, row, row_bytes);
          gather += row_bytes;
        } else {
          *out = row;
          out += mr;
        }
      }
    }
  }
}

}  // namespace tersor::kernels
