#include "kernels/gemm_u8s8/tiles.h"

#include <algorithm>
#include <cstring>

#include "kernels/gemm_u8s8/panels.h"

namespace tersor::kernels::tiles {
namespace {

using panels::round_up;

constexpr int64_t kTileRows = 16;
// Of rows that meet all panels before the next ones do: where the weights stay in L2, rows and what
// they become stay in L1; where they come from afar, more rows use them at once.
constexpr int64_t kNearBytes = 96 << 10, kFarBytes = 512 << 10;

// Room for copied rows.
constexpr int64_t kNearRoom = 128 << 10, kFarRoom = 512 << 10;

// From one copied row to the next: an odd number of lines of the L1 cache, so that the rows of a
// tile spread over its sets.
int64_t pitch(const GemmU8S8Weights& w) noexcept {
  const int64_t bytes = row_bytes(w.positions, w.k);
  return bytes / kRowBytes % 2 ? bytes : bytes + kRowBytes;
}

int64_t room(const GemmU8S8Weights& w) noexcept {
  return std::max(panels::far_weights(w) ? kFarRoom : kNearRoom, w.row->mr * pitch(w));
}

// Rows that are copied one by one.
int64_t block_rows(const GemmU8S8Weights& w) noexcept {
  const int64_t mr = w.row->mr, bytes = panels::far_weights(w) ? kFarBytes : kNearBytes;
  const int64_t each = pitch(w) + (panels::far_weights(w) ? 0 : w.n);
  return std::clamp<int64_t>(bytes / (mr * each), 1, 16) * mr;
}

struct Scratch {
  const void** pointers;
  int32_t* sums;
  int64_t* offsets;
  std::byte* rows;
};

int64_t cut(const GemmU8S8Weights& w, std::byte* scratch, Scratch& s) noexcept {
  const int64_t rows = block_rows(w);
  panels::Parts parts{scratch};
  s.pointers = parts.take<const void*>(rows * w.taps);
  s.sums = parts.take<int32_t>(rows);
  s.offsets = parts.take<int64_t>(w.taps);
  // Lines that are joined are copied with what is behind them.
  s.rows = parts.take<std::byte>(std::max(room(w), rows * pitch(w)) + RowSource::kLineBytes);
  return parts.at;
}

// The left operand of a call, block by block.
class Rows {
 public:
  Rows(const GemmU8S8Weights& weights, const GemmU8S8Call& call, int64_t end,
       const Scratch& scratch) noexcept
      : w_(weights),
        source_(call.a),
        s_(scratch),
        sums_(call.epilogue.b_zero != nullptr),
        a_signed_(call.a_signed),
        end_(end) {
    // Positions are gathered when rows are copied.
    source_.im2col = false;
    if (sums_) return;
    if (!conv() || conv()->pointwise()) way_ = Way::dense;
    if (fits_padded()) way_ = Way::padded;
  }

  // Tells a panel where some rows from m0 on lie, of the group whose channels begin at `offset`.
  // Returns the end of them.
  int64_t next(int64_t m0, int64_t offset, GemmU8S8Panel& p) const noexcept {
    const int64_t dense_end = way_ == Way::dense ? dense(m0, offset, p) : m0;
    const int64_t end = way_ == Way::padded ? padded(m0, p)
                        : dense_end > m0    ? dense_end
                                            : copied(m0, offset, p);
    // The last row of results, counted with the gaps.
    const int64_t last = p.at + end - 1 - m0;
    p.rows = last + last / p.stretch * p.gap + 1 - p.at;
    return end;
  }

 private:
  // dense: a matrix, read where it lies. padded: the input of a convolution is copied with its
  // padding, for strides as so many images as there are ways to begin: every other pixel of every
  // other line, say. Then the rows of all outputs are equally far apart for each position of the
  // kernel, if the pixels at the ends of lines where it reaches around count as outputs, too.
  enum class Way { copied, dense, padded };

  const ConvShape* conv() const noexcept { return source_.conv; }
  const std::byte* data() const noexcept { return static_cast<const std::byte*>(source_.data); }

  // How far the kernel reaches in such an image.
  int64_t reach_h() const noexcept {
    return (conv()->kh - 1) * conv()->dilation_h / conv()->stride_h;
  }
  int64_t reach_w() const noexcept {
    return (conv()->kw - 1) * conv()->dilation_w / conv()->stride_w;
  }
  int64_t width() const noexcept { return conv()->ow + reach_w(); }
  bool fits_padded() const noexcept {
    if (!conv()) return false;
    const ConvShape& s = *conv();
    return s.groups == 1 && s.positions() > 1 && s.c % kRowBytes == 0 && s.pixel_stride() == s.c &&
           !source_.lines && most_lines() > 0;
  }
  // Lines of the output that have room.
  int64_t most_lines() const noexcept {
    const ConvShape& s = *conv();
    const int64_t behind = kTileRows * s.c;  // what the last tile reads
    return (room(w_) - behind) / (s.stride_h * s.stride_w * width() * s.c) - reach_h();
  }

  // Rows in one piece each, without gaps.
  void lie_at(const std::byte* rows, int64_t pitch, int64_t count,
              GemmU8S8Panel& p) const noexcept {
    p.prepared = rows;
    p.prepared_bytes = pitch;
    p.tile.k = row_bytes(w_.positions, w_.k);
    p.lines = p.tile.k > 0 ? 1 : 0;
    s_.offsets[0] = 0;
    p.stretch = count;
    p.gap = p.at = 0;
  }
  // Those rows that tiles can read without going beyond the last one; maybe none.
  int64_t dense(int64_t m0, int64_t offset, GemmU8S8Panel& p) const noexcept {
    const int64_t pitch = conv() ? conv()->c : source_.stride;
    const int64_t rows = std::min(block_rows(w_), end_ - m0);
    const int64_t length = row_bytes(w_.positions, w_.k), left = (end_ - 1 - m0) * pitch + w_.k;
    if (length > left) return m0;
    lie_at(data() + m0 * pitch + offset, pitch, rows, p);
    // Without a pitch it is the same row, or nothing, again and again.
    const int64_t some = pitch > 0 ? (left - length) / pitch + 1 : round_up(rows, kTileRows);
    const int64_t whole = std::min(rows, some) / w_.row->mr * w_.row->mr;
    return m0 + (round_up(rows, kTileRows) <= some ? rows : whole);
  }
  int64_t padded(int64_t m0, GemmU8S8Panel& p) const noexcept {
    const ConvShape& s = *conv();
    const int64_t line = m0 / s.ow, image = line / s.oh, oy = line % s.oh;
    const int64_t end = std::min(end_, (line + std::min(most_lines(), s.oh - oy)) * s.ow);
    const int64_t lines = (end - 1) / s.ow % s.oh - oy + 1 + reach_h();
    const int64_t size = lines * width() * s.c;  // of an image
    const std::byte* from = data() + image * s.h * s.w * s.c;
    int64_t* offset = s_.offsets;
    // An image is needed from the first position on that begins as it does.
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const int64_t y = ky * s.dilation_h, x = kx * s.dilation_w;
        const int64_t first_y = y % s.stride_h, first_x = x % s.stride_w;
        const int64_t at = (first_y * s.stride_w + first_x) * size;
        *offset++ = at + (y / s.stride_h * width() + x / s.stride_w) * s.c;
        if (begins(ky, s.dilation_h, s.stride_h) && begins(kx, s.dilation_w, s.stride_w))
          lay(from, oy * s.stride_h + first_y - s.pad_top, first_x - s.pad_left, lines,
              s_.rows + at);
      }
    p.at = m0 % s.ow;
    p.stretch = s.ow;
    p.gap = reach_w();
    p.prepared = s_.rows + p.at * s.c;
    p.prepared_bytes = p.tile.k = s.c;
    p.lines = s.positions();
    return end;
  }
  // Whether position k begins like none before it.
  static bool begins(int64_t k, int64_t dilation, int64_t stride) noexcept {
    for (int64_t i = 0; i < k; ++i)
      if ((k - i) * dilation % stride == 0) return false;
    return true;
  }
  // `lines` lines of width() pixels, in steps of the stride from (y, x) on.
  void lay(const std::byte* from, int64_t y, int64_t x, int64_t lines,
           std::byte* to) const noexcept {
    const ConvShape& s = *conv();
    const auto pixel = static_cast<size_t>(s.c);
    const int64_t step = s.stride_w, all = width();
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
        for (int64_t i = begin; i < end; ++i, to += s.c, at += step * s.c)
          std::memcpy(to, at, pixel);
      }
      fill(all - end);
    }
  }
  int64_t copied(int64_t m0, int64_t offset, GemmU8S8Panel& p) const noexcept {
    const int64_t m1 = std::min(m0 + block_rows(w_), end_);
    const int rows = static_cast<int>(m1 - m0), more = a_signed_ ? -128 : 0;
    GemmU8S8Rows r{};
    r.a = reinterpret_cast<const uint8_t* const*>(s_.pointers);
    r.positions = conv() ? w_.taps : 1;
    r.k = w_.positions * w_.k / r.positions;
    r.pitch = rows;
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
    fill_rows(source, m0, rows, rows, 1, offset, s_.pointers, nullptr);
    if (sums_) panels::sum_rows(r.positions, r.k, r.a, rows, a_signed_, more, rows, s_.sums);
    r.rows = {0, rows};
    r.prepared = s_.rows;
    r.prepared_bytes = pitch(w_);
    w_.row->prepare(r);
    lie_at(s_.rows, r.prepared_bytes, rows, p);
    return m1;
  }

  const GemmU8S8Weights& w_;
  RowSource source_;
  const Scratch& s_;
  bool sums_, a_signed_;
  int64_t end_;
  Way way_ = Way::copied;
};

}  // namespace

WorkSplit split(const GemmU8S8Weights& w, int64_t m, int threads) noexcept {
  // Rows stay with the thread that needs them next, unless weights are by far the most of all.
  const int64_t weights = w.positions * w.k * w.n;
  const bool far = weights > 4 * m * (w.positions * w.k / w.taps + w.n);
  return split_work(m, w.panels(), w.row->mr, threads, kTileRows, far);
}

size_t scratch_bytes(const GemmU8S8Weights& w) noexcept {
  Scratch s;
  return static_cast<size_t>(cut(w, nullptr, s));
}

void run(const GemmU8S8Weights& w, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept {
  Scratch s;
  cut(w, scratch, s);
  const Rows rows(w, call, m.end, s);
  GemmU8S8Panel p = panels::panel_of(call, s.sums);
  p.offsets = s.offsets;
  const bool near = !panels::far_weights(w);
  w.row->open();
  panels::each_group(w, call, columns, [&](Range some, int64_t offset) {
    // The panels before this one have all their columns.
    const int64_t whole = some.begin / w.group_panels() * w.group_panels() + w.n / w.row->nr;
    for (int64_t m0 = m.begin, m1; m0 < m.end; m0 = m1) {
      m1 = rows.next(m0, offset, p);
      // Results leave line by line of memory if rows meet all panels; but rows that share lines are
      // in L1 longer than many panels are.
      p.by_rows = near && p.lines <= 1;
      for (int64_t panel = some.begin; panel < some.end; panel += p.panels) {
        p.tile.b = panels::aim(w, call, m0, panel, some.end, p);
        p.panels = p.tile.cols == w.row->nr ? std::min(whole, some.end) - panel : 1;
        w.row->panel(p);
      }
    }
  });
  w.row->close();
}

}  // namespace tersor::kernels::tiles
