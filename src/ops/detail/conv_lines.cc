#include "ops/detail/conv_lines.h"

#include <algorithm>
#include <cstring>

namespace tersor::ops::detail {

bool ConvLines::wanted(const kernels::ConvShape& s) {
  return s.groups == 1 && s.dilation_w == 1 && s.kw > 1 && s.c < 16;
}

ConvLines::ConvLines(const kernels::ConvShape& s, int64_t unit, bool join)
    : c_(s.c),
      oc_(s.oc),
      kh_(s.kh),
      kw_(s.kw),
      joined_(join && base::checked_mul(s.kw, s.c) <= kernels::RowSource::kLineBytes),
      row_(base::checked_mul(s.kw, s.c)),
      k_(base::checked_mul(joined_ ? kh_ : 1, row_)) {
  k_ = (k_ + unit - 1) / unit * unit;
  if (!joined_) row_ = k_;
}

kernels::MatrixLayout ConvLines::layout() const {
  kernels::MatrixLayout l;
  l.positions = joined_ ? 1 : kh_;
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
        for (int64_t x = 0; x < kw_; ++x)
          out[static_cast<size_t>(n * row + y * row_ + x * c_ + c)] =
              w[((n * c_ + c) * kh_ + y) * kw_ + x];
  return out;
}
template std::vector<float> ConvLines::weights(const float*) const;
template std::vector<uint8_t> ConvLines::weights(const uint8_t*) const;

ConvLines::Padded ConvLines::pad(runtime::StepContext& context, const void* x,
                                 const kernels::ConvShape& s, const void* pixel,
                                 int64_t element) const {
  const int64_t h = (s.oh - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
  const int64_t w = (s.ow - 1) * s.stride_w + s.kw;
  const int64_t bytes = s.c * element, line = w * bytes;
  // The last row of all may end with what lies behind the image.
  const int64_t excess = joined_ ? kernels::RowSource::kLineBytes : (row_ - s.kw * s.c) * element;
  Padded p;
  p.joined = joined_;
  p.memory = context.arena->make(DType::kUint8, {s.n * h * line + excess});
  std::byte* to = p.memory.raw_mutable();
  std::memset(to + s.n * h * line, 0, static_cast<size_t>(excess));
  const auto* from = static_cast<const std::byte*>(x);
  const auto fill = [&](std::byte* at, int64_t pixels) {
    for (int64_t i = 0; i < pixels; ++i)
      std::memcpy(at + i * bytes, pixel, static_cast<size_t>(bytes));
  };
  const int64_t left = std::min(s.pad_left, w), inside = std::clamp<int64_t>(s.w, 0, w - left);
  context.pool->parallel_for(s.n * h, std::max<int64_t>(1, 65536 / std::max<int64_t>(1, line)),
                             [&](int64_t begin, int64_t end, int) {
                               for (int64_t i = begin; i < end; ++i) {
                                 std::byte* at = to + i * line;
                                 const int64_t y = i % h - s.pad_top;
                                 if (y < 0 || y >= s.h) {
                                   fill(at, w);
                                   continue;
                                 }
                                 fill(at, left);
                                 std::memcpy(at + left * bytes,
                                             from + (i / h * s.h + y) * s.w * bytes,
                                             static_cast<size_t>(inside * bytes));
                                 fill(at + (left + inside) * bytes, w - left - inside);
                               }
                             });
  p.shape = s;
  p.shape.pixel = s.c;
  p.shape.h = h;
  p.shape.w = w;
  p.shape.c = row_;
  p.shape.kw = 1;
  p.shape.pad_top = p.shape.pad_left = 0;
  return p;
}

}  // namespace tersor::ops::detail
