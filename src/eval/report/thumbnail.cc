#include "eval/report/thumbnail.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tersor::eval {
namespace {

constexpr int64_t kLargest = 40, kSmallest = 8;

bool is_color(int64_t channels) { return channels == 1 || channels == 3; }

// The mean of the pixels that fall on each one of the small picture, and the extremes over them.
std::optional<Picture> shrink(const Tensor& batch, int64_t item, bool channels_last) {
  const int64_t c = batch.dim(channels_last ? 3 : 1), h = batch.dim(channels_last ? 1 : 2),
                w = batch.dim(channels_last ? 2 : 3);
  if (!is_color(c) || h < kSmallest || w < kSmallest || item >= batch.dim(0)) return {};
  const Tensor real = tensor::to_float32(batch);
  const auto x = real.data<float>().subspan(static_cast<size_t>(item * c * h * w),
                                            static_cast<size_t>(c * h * w));
  const int64_t step = (std::max(h, w) + kLargest - 1) / kLargest;
  const int64_t th = h / step, tw = w / step;
  Picture p{static_cast<int>(tw), static_cast<int>(th), static_cast<int>(c), {}};
  if (th == 0 || tw == 0) return {};
  p.pixels.resize(static_cast<size_t>(th * tw * c));
  std::vector<double> means(static_cast<size_t>(th * tw));
  for (int64_t k = 0; k < c; ++k) {
    double lo = std::numeric_limits<double>::infinity(), hi = -lo;
    for (int64_t i = 0; i < th * tw; ++i) {
      double sum = 0;
      for (int64_t dy = 0; dy < step; ++dy)
        for (int64_t dx = 0; dx < step; ++dx) {
          const int64_t row = i / tw * step + dy, column = i % tw * step + dx;
          sum += double{x[static_cast<size_t>(channels_last ? (row * w + column) * c + k
                                                            : (k * h + row) * w + column)]};
        }
      const double mean = sum / static_cast<double>(step * step);
      means[static_cast<size_t>(i)] = mean;
      if (!std::isfinite(mean)) continue;
      lo = std::min(lo, mean);
      hi = std::max(hi, mean);
    }
    for (int64_t i = 0; i < th * tw; ++i) {
      const double v = hi > lo ? (means[static_cast<size_t>(i)] - lo) / (hi - lo) * 255 : 0;
      p.pixels[static_cast<size_t>(i * c + k)] =
          std::isfinite(v) ? static_cast<uint8_t>(std::clamp(std::lround(v), 0L, 255L)) : 0;
    }
  }
  return p;
}

}  // namespace

std::optional<Picture> thumbnail(const std::vector<Tensor>& inputs, int64_t item) {
  for (const Tensor& t : inputs) {
    if (t.rank() != 4 || t.dtype() == DType::kString) continue;
    for (bool channels_last : {false, true})
      if (auto picture = shrink(t, item, channels_last)) return picture;
  }
  return {};
}

}  // namespace tersor::eval
