#include "ops/detail/conv_lines.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace tersor::ops::detail {

bool ConvLines::wanted(const kernels::ConvShape& s) {
  return s.groups == 1 && s.dilation_w == 1 && s.kw > 1 && s.c < 16;
}

bool ConvLines::folds(const kernels::ConvShape& s, int64_t most) {
  const int64_t columns = (s.kw + s.stride_w - 1) / s.stride_w;
  return s.stride_h * s.stride_w > 1 && s.dilation_h == 1 &&
         base::checked_mul(columns * s.stride_w, s.stride_h * s.c) <= most;
}

ConvLines::ConvLines(const kernels::ConvShape& s, int64_t unit, Form form)
    : c_(s.c), oc_(s.oc), kh_(s.kh), kw_(s.kw) {
  if (form == Form::folded) {
    fold_h_ = s.stride_h;
    fold_w_ = s.stride_w;
  }
  row_ = base::checked_mul(columns(), pixel());
  joined_ = form == Form::joined && row_ <= kernels::RowSource::kLineBytes;
  k_ = base::checked_mul(joined_ ? kh_ : 1, row_);
  k_ = (k_ + unit - 1) / unit * unit;
  if (!joined_) row_ = k_;
}

kernels::MatrixLayout ConvLines::layout() const {
  kernels::MatrixLayout l;
  l.positions = joined_ ? 1 : lines();
  l.k = k_;
  l.n = oc_;
  l.k_stride = 1;
  l.position_stride = k_;
  l.n_stride = l.positions * k_;
  return l;
}

template <typename T>
std::vector<T> ConvLines::weights(const T* w) const {
  const int64_t row = layout().n_stride;
  std::vector<T> out(static_cast<size_t>(oc_ * row));
  for (int64_t n = 0; n < oc_; ++n)
    for (int64_t c = 0; c < c_; ++c)
      for (int64_t y = 0; y < kh_; ++y)
        for (int64_t x = 0; x < kw_; ++x) {
          const int64_t within = (y % fold_h_ * fold_w_ + x % fold_w_) * c_ + c;
          out[static_cast<size_t>(n * row + y / fold_h_ * row_ + x / fold_w_ * pixel() + within)] =
              w[((n * c_ + c) * kh_ + y) * kw_ + x];
        }
  return out;
}
template std::vector<float> ConvLines::weights(const float*) const;
template std::vector<uint8_t> ConvLines::weights(const uint8_t*) const;

namespace {

// Runs of `run` bytes from each of `lines`, one line after the other, `count` times.
void interleave(std::span<const std::byte* const> lines, int64_t run, int64_t count,
                std::byte* to) {
  // Eight bytes at a time, of which the next run overwrites what is too much.
  const int64_t quick = run <= 8 ? std::max<int64_t>(0, count - (7 + run) / run) : 0;
  int64_t i = 0;
  for (; i < quick; ++i)
    for (const std::byte* line : lines) {
      std::memcpy(to, line + i * run, 8);
      to += run;
    }
  for (; i < count; ++i)
    for (const std::byte* line : lines) {
      std::memcpy(to, line + i * run, static_cast<size_t>(run));
      to += run;
    }
}

}  // namespace

ConvLines::Padded ConvLines::pad(runtime::StepContext& context, const void* x,
                                 const kernels::ConvShape& s, const void* pixel,
                                 int64_t element) const {
  Padded p;
  p.joined = joined_;
  p.shape = s;
  p.shape.stride_h = s.stride_h / fold_h_;
  p.shape.stride_w = s.stride_w / fold_w_;
  p.shape.kh = lines();
  p.shape.h = (s.oh - 1) * p.shape.stride_h + (p.shape.kh - 1) * s.dilation_h + 1;
  p.shape.w = (s.ow - 1) * p.shape.stride_w + columns();
  p.shape.pixel = this->pixel();
  p.shape.c = row_;
  p.shape.kw = 1;
  p.shape.pad_top = p.shape.pad_left = 0;
  // In pixels of the image, as many lines of which become one as are folded.
  const int64_t h = p.shape.h, w = p.shape.w * fold_w_;
  const int64_t bytes = s.c * element, line = w * bytes, run = fold_w_ * bytes;
  // The last row of all may end with what lies behind the image.
  const int64_t excess =
      joined_ ? kernels::RowSource::kLineBytes : (row_ - columns() * this->pixel()) * element;
  p.memory = context.arena->make(DType::kUint8, {s.n * h * fold_h_ * line + excess});
  std::byte* to = p.memory.raw_mutable();
  std::memset(to + s.n * h * fold_h_ * line, 0, static_cast<size_t>(excess));
  const auto* from = static_cast<const std::byte*>(x);
  std::vector<std::byte> padding(static_cast<size_t>(line));
  for (int64_t i = 0; i < w; ++i)
    std::memcpy(padding.data() + i * bytes, pixel, static_cast<size_t>(bytes));
  // Runs of pixels [begin, end) lie inside. The rest goes pixel by pixel.
  const int64_t left = s.pad_left, right = left + s.w;
  const int64_t begin = std::min((left + fold_w_ - 1) / fold_w_, p.shape.w);
  const int64_t end = std::clamp(right / fold_w_, begin, p.shape.w);
  context.pool->parallel_for(
      s.n * h, std::max<int64_t>(1, 65536 / std::max<int64_t>(1, fold_h_ * line)),
      [&](int64_t first, int64_t last, int) {
        std::vector<const std::byte*> inside(static_cast<size_t>(fold_h_)), part(inside);
        for (int64_t i = first; i < last; ++i) {
          std::byte* at = to + i * fold_h_ * line;
          for (int64_t dy = 0; dy < fold_h_; ++dy) {
            const int64_t y = i % h * fold_h_ + dy - s.pad_top;
            const bool outside = y < 0 || y >= s.h;
            inside[dy] = outside ? nullptr : from + (i / h * s.h + y) * s.w * bytes;
          }
          const auto edge = [&](int64_t runs, int64_t upto) {
            for (int64_t x0 = runs * fold_w_; x0 < upto * fold_w_; x0 += fold_w_)
              for (int64_t dy = 0; dy < fold_h_; ++dy)
                for (int64_t dx = x0; dx < x0 + fold_w_; ++dx, at += bytes) {
                  const bool in = inside[dy] && dx >= left && dx < right;
                  std::memcpy(at, in ? inside[dy] + (dx - left) * bytes : padding.data(),
                              static_cast<size_t>(bytes));
                }
          };
          edge(0, begin);
          for (int64_t dy = 0; dy < fold_h_; ++dy)
            part[dy] = inside[dy] ? inside[dy] + (begin * fold_w_ - left) * bytes : padding.data();
          const int64_t runs = end - begin;
          if (fold_h_ == 1)
            std::memcpy(at, part[0], static_cast<size_t>(runs * run));
          else
            interleave(part, run, runs, at);
          at += fold_h_ * runs * run;
          edge(end, p.shape.w);
        }
      });
  return p;
}

}  // namespace tersor::ops::detail
