#include "kernels/tiles/tiles.h"

#include <algorithm>
#include <cstring>

#include "kernels/conv_common/parts.h"

namespace tersor::kernels::tiles {
namespace {

// Of rows that meet all panels before the next ones do: where the weights stay in L2, rows and what
// they become stay in L1; where they come from afar, more rows use them at once.
constexpr int64_t kNearBytes = 96 << 10, kFarBytes = 512 << 10;

// Weights that stay in L1 with the rows they meet.
constexpr int64_t kFewBytes = 16 << 10;

// Room for copied rows.
constexpr int64_t kNearRoom = 128 << 10, kFarRoom = 512 << 10;

// From one copied row to the next.
int64_t pitch(const Shape& s) noexcept {
  return spread_pitch<std::byte>(row_bytes(s.positions, s.k));
}

int64_t room(const Shape& s) noexcept {
  return std::max(s.far ? kFarRoom : kNearRoom, s.mr * pitch(s));
}

// How far the kernel of a convolution reaches in an image of every stride-th pixel, and the width
// of one with its padding.
int64_t reach_h(const ConvShape& s) noexcept { return (s.kh - 1) * s.dilation_h / s.stride_h; }
int64_t reach_w(const ConvShape& s) noexcept { return (s.kw - 1) * s.dilation_w / s.stride_w; }
int64_t width(const ConvShape& s) noexcept { return s.ow + reach_w(s); }

// Whether the pixels under each position of the kernel are rows of whole tiles.
bool in_tiles(const ConvShape& s) noexcept {
  return s.groups == 1 && s.positions() > 1 && s.c % kRowBytes == 0;
}

// Whether position k begins like none before it.
bool begins(int64_t k, int64_t dilation, int64_t stride) noexcept {
  for (int64_t i = 0; i < k; ++i)
    if ((k - i) * dilation % stride == 0) return false;
  return true;
}

}  // namespace

WorkSplit split(const Shape& s, int64_t m, int threads) noexcept {
  // Rows stay with the thread that needs them next, unless weights are by far the most of all.
  const int64_t weights = s.positions * s.k * s.n;
  const bool far = weights > 4 * m * (s.positions * s.k / s.taps + s.n * s.result);
  return split_work(m, s.panels, static_cast<int>(s.mr), threads, static_cast<int>(kRows), far);
}

int64_t Rows::block(const Shape& s) noexcept {
  const int64_t bytes = s.far ? kFarBytes : kNearBytes;
  const int64_t each = pitch(s) + (s.far ? 0 : s.n * s.result);
  return std::clamp<int64_t>(bytes / (s.mr * each), 1, 16) * s.mr;
}

int64_t Rows::scratch_bytes(const Shape& s) noexcept {
  Rows none(s, {}, 0, {}, true, false, nullptr);
  return none.cut(nullptr);
}

Rows::Rows(const Shape& shape, const RowSource& source, int64_t end, const TilesCalls& calls,
           bool copies, bool twice, std::byte* scratch) noexcept
    : s_(shape), source_(source), end_(end), calls_(calls), twice_(twice) {
  // Positions are gathered when rows are copied.
  source_.im2col = false;
  cut(scratch);
  if (copies) return;
  const bool whole = s_.positions * s_.k % kRowBytes == 0;
  if ((!conv() || conv()->pointwise()) && (whole || !s_.clean)) way_ = Way::dense;
  if (fits_padded()) way_ = Way::padded;
  if (fits_plain()) way_ = Way::plain;
}

int64_t Rows::cut(std::byte* scratch) noexcept {
  const int64_t rows = block(s_);
  Parts parts{scratch};
  pointers_ = parts.take<const void*>(rows * s_.taps);
  offsets_ = parts.take<int64_t>(s_.taps);
  // Lines that are joined are copied with what is behind them.
  rows_ = parts.take<std::byte>(std::max(room(s_), rows * pitch(s_)) + RowSource::kLineBytes);
  return parts.at;
}

int64_t Rows::next(int64_t m0, int64_t offset, TilesPanel& p) noexcept {
  p.offsets = offsets_;
  p.again = false;
  int64_t end = m0;
  if (way_ == Way::dense) end = dense(m0, offset, p);
  if (way_ == Way::plain) end = plain(m0, p);
  if (way_ == Way::padded) end = padded(m0, p);
  if (end == m0) end = copy(m0, offset, p);
  // The last row of results, counted with the gaps.
  const int64_t last = p.at + end - 1 - m0;
  p.rows = last + last / p.stretch * p.gap + 1 - p.at;
  // Results leave line by line of memory if rows meet all panels; but rows that share lines are
  // in L1 longer than many panels are.
  const bool few = s_.n * row_bytes(s_.positions, s_.k) <= kFewBytes;
  p.by_rows = !s_.far && (p.lines <= 1 || few);
  return end;
}

bool Rows::fits_padded() const noexcept {
  if (!conv()) return false;
  const ConvShape& s = *conv();
  return in_tiles(s) && s.pixel_stride() == s.c && !source_.lines && most_lines() > 0;
}

// Lines of the output that have room.
int64_t Rows::most_lines() const noexcept {
  const ConvShape& s = *conv();
  const int64_t behind = kRows * s.c;  // what the last tile reads
  return (room(s_) - behind) / (s.stride_h * s.stride_w * width(s) * s.c) - reach_h(s);
}

// Rows in one piece each, without gaps.
void Rows::lie_at(const std::byte* rows, int64_t pitch, int64_t count,
                  TilesPanel& p) const noexcept {
  p.prepared = rows;
  p.prepared_bytes = pitch;
  p.line_bytes = row_bytes(s_.positions, s_.k);
  p.lines = p.line_bytes > 0 ? 1 : 0;
  offsets_[0] = 0;
  p.stretch = count;
  p.gap = p.at = 0;
}

// Of `rows`, gaps among them, of which `some` can be read, those to be met where they lie.
int64_t Rows::within(int64_t rows, int64_t some, TilesPanel& p) const noexcept {
  if (round_up(rows, kRows) <= some) return rows;
  const int64_t fit = std::min(rows, some);
  p.again = twice_ && fit >= s_.mr;
  return p.again ? fit : fit / s_.mr * s_.mr;
}

// Those rows that tiles can read without going beyond the last one; maybe none.
int64_t Rows::dense(int64_t m0, int64_t offset, TilesPanel& p) const noexcept {
  const int64_t pitch = conv() ? conv()->c : source_.stride;
  // Rows that meet all panels of near weights one after the other need no blocks.
  const int64_t rows = s_.far ? std::min(block(s_), end_ - m0) : end_ - m0;
  const int64_t length = row_bytes(s_.positions, s_.k), left = (end_ - 1 - m0) * pitch + s_.k;
  if (length > left) return m0;
  lie_at(data() + m0 * pitch + offset, pitch, rows, p);
  // Without a pitch it is the same row, or nothing, again and again.
  const int64_t some = pitch > 0 ? (left - length) / pitch + 1 : round_up(rows, kRows);
  const int64_t met = within(rows, some, p);
  // Weights from afar are read once only.
  return m0 + (s_.far && met < rows ? 0 : met);
}

// The rows of a convolution, the line of m0 from `rows` on, with `gap` pixels behind each line.
void Rows::lie_in_lines(const std::byte* rows, int64_t m0, int64_t gap,
                        TilesPanel& p) const noexcept {
  const ConvShape& s = *conv();
  p.at = m0 % s.ow;
  p.stretch = s.ow;
  p.gap = gap;
  p.prepared_bytes = s.pixel_stride();
  p.prepared = rows + p.at * p.prepared_bytes;
  p.line_bytes = s.c;
  p.lines = s.positions();
}

bool Rows::fits_plain() const noexcept {
  if (!conv() || source_.lines) return false;
  const ConvShape& s = *conv();
  return in_tiles(s) && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 &&
         s.oh + reach_h(s) <= s.h && s.ow + reach_w(s) <= s.w;
}

// Those rows of an image that tiles can read without going beyond the last one; maybe none.
int64_t Rows::plain(int64_t m0, TilesPanel& p) const noexcept {
  const ConvShape& s = *conv();
  const int64_t pixel = s.pixel_stride(), image = m0 / (s.ow * s.oh), oy = m0 / s.ow % s.oh;
  int64_t* offset = offsets_;
  for (int64_t ky = 0; ky < s.kh; ++ky)
    for (int64_t kx = 0; kx < s.kw; ++kx)
      *offset++ = (ky * s.dilation_h * s.w + kx * s.dilation_w) * pixel;
  lie_in_lines(data() + (image * s.h + oy) * s.w * pixel, m0, s.w - s.ow, p);
  // Rows, gaps among them, up to where the image ends, or where the last tile would read what is
  // behind all images.
  const int64_t before = (image * s.h + oy) * s.w + p.at;
  const int64_t some = (s.n * s.h * s.w * pixel - offset[-1] - s.c) / pixel + 1 - before;
  const int64_t most = std::max<int64_t>(1, room(s_) / (s.w * pixel) - reach_h(s));
  const int64_t upto = std::min((m0 / s.ow + std::min(most, s.oh - oy)) * s.ow, end_);
  const int64_t last = p.at + upto - m0 - 1;
  const int64_t met = p.at + within(last / s.ow * s.w + last % s.ow + 1 - p.at, some, p);
  return m0 + met / s.w * s.ow + std::min(met % s.w, s.ow) - p.at;
}

int64_t Rows::padded(int64_t m0, TilesPanel& p) const noexcept {
  const ConvShape& s = *conv();
  const int64_t line = m0 / s.ow, image = line / s.oh, oy = line % s.oh;
  const int64_t end = std::min(end_, (line + std::min(most_lines(), s.oh - oy)) * s.ow);
  const int64_t lines = (end - 1) / s.ow % s.oh - oy + 1 + reach_h(s);
  const int64_t size = lines * width(s) * s.c;  // of an image
  const std::byte* from = data() + image * s.h * s.w * s.c;
  int64_t* offset = offsets_;
  // An image is needed from the first position on that begins as it does.
  for (int64_t ky = 0; ky < s.kh; ++ky)
    for (int64_t kx = 0; kx < s.kw; ++kx) {
      const int64_t y = ky * s.dilation_h, x = kx * s.dilation_w;
      const int64_t first_y = y % s.stride_h, first_x = x % s.stride_w;
      const int64_t at = (first_y * s.stride_w + first_x) * size;
      *offset++ = at + (y / s.stride_h * width(s) + x / s.stride_w) * s.c;
      if (begins(ky, s.dilation_h, s.stride_h) && begins(kx, s.dilation_w, s.stride_w))
        lay(from, oy * s.stride_h + first_y - s.pad_top, first_x - s.pad_left, lines, rows_ + at);
    }
  lie_in_lines(rows_, m0, reach_w(s), p);
  return end;
}

// `lines` lines of `width` pixels, in steps of the stride from (y, x) on.
void Rows::lay(const std::byte* from, int64_t y, int64_t x, int64_t lines,
               std::byte* to) const noexcept {
  const ConvShape& s = *conv();
  const auto pixel = static_cast<size_t>(s.c);
  const int64_t step = s.stride_w, all = width(s);
  // Pixels [begin, end) lie inside.
  const int64_t begin = std::min(all, x < 0 ? (-x + step - 1) / step : 0);
  const int64_t end = std::clamp<int64_t>(x < s.w ? (s.w - x + step - 1) / step : 0, begin, all);
  const auto fill = [&](int64_t pixels) {
    for (; pixels > 0; --pixels, to += s.c) std::memcpy(to, source_.padding, pixel);
  };
  for (; lines > 0; --lines, y += s.stride_h) {
    if (y < 0 || y >= s.h) {
      fill(all);
      continue;
    }
    fill(begin);
    const std::byte* at = from + (y * s.w + x + begin * step) * s.c;
    if (step == 1) {
      std::memcpy(to, at, static_cast<size_t>(end - begin) * pixel);
      to += (end - begin) * s.c;
    } else {
      for (int64_t i = begin; i < end; ++i, to += s.c, at += step * s.c) std::memcpy(to, at, pixel);
    }
    fill(all - end);
  }
}

int64_t Rows::copy(int64_t m0, int64_t offset, TilesPanel& p) noexcept {
  const int64_t m1 = std::min(m0 + block(s_), end_);
  const int rows = static_cast<int>(m1 - m0);
  TilesCopy& r = copy_;
  r.a = reinterpret_cast<const uint8_t* const*>(pointers_);
  r.rows = rows;
  r.positions = conv() ? s_.taps : 1;
  r.k = s_.positions * s_.k / r.positions;
  RowSource source = source_;
  ConvShape first;
  if (source.lines) {
    // Where the first line of each row is.
    first = *conv();
    r.positions = first.kh;
    r.k = first.c;
    r.apart = first.dilation_h * first.w * first.pixel_stride();
    first.kh = 1;
    source = RowSource::pixels(source.data, first, nullptr, false);
  }
  fill_rows(source, m0, rows, rows, 1, offset, pointers_, nullptr);
  r.to = rows_;
  r.pitch = pitch(s_);
  calls_.copy(r);
  lie_at(rows_, r.pitch, rows, p);
  return m1;
}

}  // namespace tersor::kernels::tiles
