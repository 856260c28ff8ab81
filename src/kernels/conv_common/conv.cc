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

namespace {

// The least chunk of whole units, at most `most` of them, that leaves no thread with much more to
// do than the best one does.
int64_t even_chunk(int64_t m, int64_t unit, int64_t most, int64_t threads) noexcept {
  const int64_t units = (m + unit - 1) / unit;
  int64_t best = units, chunk = std::max<int64_t>(units, 1);
  for (int64_t cuts = 2; cuts <= most; ++cuts) {
    const int64_t each = (units + cuts - 1) / cuts, tasks = (units + each - 1) / each;
    const int64_t load = (tasks + threads - 1) / threads * each;
    if (load * 12 > best * 13) continue;
    best = std::min(best, load);
    chunk = each;
  }
  return chunk * unit;
}

}  // namespace

WorkSplit split_work(int64_t m, int64_t panels, int mr, int threads, int unit, bool far) noexcept {
  WorkSplit s;
  s.m = m;
  s.panels = panels;
  s.m_chunk = std::max<int64_t>(m, 1);
  s.panel_chunk = std::max<int64_t>(panels, 1);
  if (threads <= 1) return s;
  // A few tasks a thread, so that a late one can be balanced. Where many rows meet far more
  // columns, it is the rows that are read again for each task. A panel has about twice as many
  // columns as a tile has rows.
  const int64_t few = 2 * static_cast<int64_t>(threads), wanted = 2 * few;
  const int64_t tiles = std::max<int64_t>((m + mr - 1) / mr, 1);
  if ((far && panels >= few) || (tiles > wanted && panels * 2 * mr > 4 * m)) {
    s.panel_chunk = (panels + few - 1) / few;
    return s;
  }
  // As many tasks for each thread as for the others, of about as many rows.
  int64_t cuts = std::min(wanted, tiles);
  if (unit > 1) {
    s.m_chunk = even_chunk(m, unit, cuts, threads);
  } else {
    if (cuts > threads) cuts -= cuts % threads;
    s.m_chunk = std::max<int64_t>((m + cuts - 1) / cuts, 1);
  }
  const int64_t panel_tasks =
      std::clamp<int64_t>((wanted + tiles - 1) / tiles, 1, std::max<int64_t>(panels, 1));
  s.panel_chunk = std::max<int64_t>((panels + panel_tasks - 1) / panel_tasks, 1);
  return s;
}

namespace {

// One row of the kernel: the elements of positions (ky, 0 .. kw) of the pixel whose window starts
// at column x0 of `line`.
std::byte* gather_line(const ConvShape& s, const std::byte* line, const std::byte* padding,
                       int64_t x0, int element, std::byte* to) noexcept {
  const int64_t pixel = s.pixel_stride() * element, row = s.group_inputs() * element;
  if (x0 >= 0 && x0 + s.kw <= s.w && s.dilation_w == 1 && s.groups == 1) {
    const int64_t bytes = s.kw * row;
    const std::byte* from = line + x0 * pixel;
    // Short runs of unknown length: eight at a time, the last eight overlapping.
    if (bytes < 8 || bytes > 256) {
      std::memcpy(to, from, static_cast<size_t>(bytes));
    } else {
      int64_t i = 0;
      for (; i + 8 <= bytes; i += 8) std::memcpy(to + i, from + i, 8);
      std::memcpy(to + bytes - 8, from + bytes - 8, 8);
    }
    return to + bytes;
  }
  for (int64_t kx = 0; kx < s.kw; ++kx, to += row) {
    const int64_t x = x0 + kx * s.dilation_w;
    std::memcpy(to, x >= 0 && x < s.w ? line + x * pixel : padding, static_cast<size_t>(row));
  }
  return to;
}

}  // namespace

namespace {

struct PixelAt {
  int64_t ox, oy, image;
  PixelAt(const ConvShape& s, int64_t m) noexcept
      : ox(m % s.ow), oy(m / s.ow % s.oh), image(m / (s.ow * s.oh)) {}
  void advance(const ConvShape& s, int64_t count) noexcept {
    ox += count;
    if (ox < s.ow) return;
    ox = 0;
    if (++oy == s.oh) oy = 0, ++image;
  }
};

// Pointers of `rows` pixels of one line of the output, from column ox on.
void point_at_line(const ConvShape& s, const std::byte* image, const std::byte* padding,
                   const PixelAt& at, int rows, int mr, int element, const void** out) noexcept {
  const int64_t pixel = s.pixel_stride() * element, step = s.stride_w * pixel;
  const int64_t x_first = at.ox * s.stride_w - s.pad_left;
  for (int64_t ky = 0; ky < s.kh; ++ky) {
    const int64_t y = at.oy * s.stride_h - s.pad_top + ky * s.dilation_h;
    const bool inside = y >= 0 && y < s.h;
    for (int64_t kx = 0; kx < s.kw; ++kx, out += mr) {
      const int64_t x0 = x_first + kx * s.dilation_w;
      // Columns [begin, end) lie inside the image.
      int64_t begin = x0 >= 0 ? 0 : (-x0 + s.stride_w - 1) / s.stride_w;
      int64_t end = x0 < s.w ? (s.w - x0 + s.stride_w - 1) / s.stride_w : 0;
      begin = inside ? std::min<int64_t>(begin, rows) : rows;
      end = std::clamp<int64_t>(end, begin, rows);
      const std::byte* from = image + (y * s.w + x0) * pixel;
      for (int64_t i = 0; i < begin; ++i) out[i] = padding;
      for (int64_t i = begin; i < end; ++i) out[i] = from + i * step;
      for (int64_t i = end; i < rows; ++i) out[i] = padding;
    }
  }
}

// The positions of one output pixel, one after the other.
std::byte* gather_pixel(const ConvShape& s, const std::byte* image, const std::byte* padding,
                        const PixelAt& at, int element, std::byte* to) noexcept {
  const int64_t pixel = s.pixel_stride() * element, row = s.group_inputs() * element;
  for (int64_t ky = 0; ky < s.kh; ++ky) {
    const int64_t y = at.oy * s.stride_h - s.pad_top + ky * s.dilation_h;
    if (y >= 0 && y < s.h) {
      to = gather_line(s, image + y * s.w * pixel, padding, at.ox * s.stride_w - s.pad_left,
                       element, to);
    } else {
      for (int64_t kx = 0; kx < s.kw; ++kx, to += row)
        std::memcpy(to, padding, static_cast<size_t>(row));
    }
  }
  return to;
}

// Rows of lines that follow each other in memory, to `to`, each from a multiple of 64 bytes on.
// What is written beyond a line is overwritten by the next one, or lies behind the row.
void join_lines(const RowSource& source, int64_t m0, int rows, int element, const void** pointers,
                std::byte* to) noexcept {
  const ConvShape& s = *source.conv;
  const int64_t pixel = s.pixel_stride() * element, bytes = s.c * element;
  const int64_t line = s.dilation_h * s.w * pixel;
  const int64_t pitch = (s.kh * bytes + RowSource::kLineBytes + 63) / 64 * 64;
  const auto* data = static_cast<const std::byte*>(source.data);
  PixelAt at(s, m0);
  for (int i = 0; i < rows; ++i, to += pitch) {
    const std::byte* from =
        data + ((at.image * s.h + at.oy * s.stride_h) * s.w + at.ox * s.stride_w) * pixel;
    pointers[i] = to;
    for (int64_t ky = 0; ky < s.kh; ++ky)
      std::memcpy(to + ky * bytes, from + ky * line, RowSource::kLineBytes);
    at.advance(s, 1);
  }
}

}  // namespace

void fill_rows(const RowSource& source, int64_t m0, int rows, int mr, int element, int64_t offset,
               const void** pointers, std::byte* gather) noexcept {
  const auto* data = static_cast<const std::byte*>(source.data);
  if (!source.conv) {
    for (int i = 0; i < rows; ++i)
      pointers[i] = data + ((m0 + i) * source.stride + offset) * element;
    return;
  }
  if (source.lines) return join_lines(source, m0, rows, element, pointers, gather);
  const ConvShape& s = *source.conv;
  const auto* padding = static_cast<const std::byte*>(source.padding);
  const int64_t image_bytes = s.h * s.w * s.pixel_stride() * element;
  PixelAt at(s, m0);
  for (int i = 0; i < rows;) {
    const int run = source.im2col ? 1 : static_cast<int>(std::min<int64_t>(rows - i, s.ow - at.ox));
    const std::byte* image = data + at.image * image_bytes + offset * element;
    if (source.im2col) {
      pointers[i] = gather;
      gather = gather_pixel(s, image, padding, at, element, gather);
    } else {
      point_at_line(s, image, padding, at, run, mr, element, pointers + i);
    }
    at.advance(s, run);
    i += run;
  }
}

size_t copied_pitch(size_t row_bytes) noexcept { return (row_bytes + 63) / 64 * 64 + 64; }

void spread_rows(const void** pointers, int rows, int mr, int64_t positions, size_t row_bytes,
                 int64_t uses, std::byte* to) noexcept {
  if (rows < 5 || uses < 3 || row_bytes < 64) return;
  const auto first = reinterpret_cast<uintptr_t>(pointers[0]);
  const auto second = reinterpret_cast<uintptr_t>(pointers[1]);
  const uintptr_t apart = second - first, unit = positions == 1 ? 2048 : 4096;
  if (apart == 0 || apart % unit != 0) return;
  for (int64_t p = 0; p < positions; ++p)
    for (int i = 0; i < rows; ++i, to += copied_pitch(row_bytes)) {
      std::memcpy(to, pointers[p * mr + i], row_bytes);
      pointers[p * mr + i] = to;
    }
}

void prefetch_rows(const RowSource& source, int64_t m0, int rows, int element, int64_t offset,
                   size_t row_bytes, int64_t share, int64_t shares) noexcept {
  int64_t stride = source.stride;
  if (source.conv) {
    if (!source.conv->pointwise()) return;
    stride = source.conv->c;
  }
  const auto* data = static_cast<const std::byte*>(source.data);
  const int64_t lines = static_cast<int64_t>(row_bytes + 63) / 64;
  if (lines < 4) return;
  const int64_t begin = lines * share / shares, end = lines * (share + 1) / shares;
  for (int i = 0; i < rows; ++i) {
    const std::byte* row = data + ((m0 + i) * stride + offset) * element;
    for (int64_t line = begin; line < end; ++line) __builtin_prefetch(row + line * 64, 0, 2);
  }
}

}  // namespace tersor::kernels
