// Antialiased bilinear resize in fixed point.
//
// Output sample i is a weighted mean of the inputs around c = (i + 0.5) * s, s = in / out, by a
// triangle of half width max(s, 1). Weights are normalised in double, then rounded to 22 fractional
// bits: a sum of 255 * weights is at most 255 * 2^22 plus rounding, below 2^31.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "calib/image.h"

namespace tersor::calib {
namespace {

constexpr int kWeightBits = 22;

struct Taps {
  int width = 0;                  // weights per output sample; those not needed are 0
  std::vector<int> first, count;  // of input samples, per output sample
  std::vector<int32_t> weights;
};

Taps make_taps(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double support = std::max(scale, 1.0);
  Taps taps;
  taps.width = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.first.resize(static_cast<size_t>(out));
  taps.count.resize(static_cast<size_t>(out));
  taps.weights.resize(static_cast<size_t>(out) * static_cast<size_t>(taps.width));
  std::vector<double> exact(static_cast<size_t>(taps.width));
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    const double step = 1.0 / support;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int count = std::min(static_cast<int>(center + support + 0.5), in) - first;
    double sum = 0;
    for (int k = 0; k < count; ++k) {
      const double distance = std::fabs((k + first - center + 0.5) * step);
      exact[static_cast<size_t>(k)] = distance < 1 ? 1 - distance : 0;
      sum += exact[static_cast<size_t>(k)];
    }
    int32_t* weights =
        taps.weights.data() + static_cast<size_t>(i) * static_cast<size_t>(taps.width);
    for (int k = 0; k < count; ++k) {
      const double w =
          sum != 0 ? exact[static_cast<size_t>(k)] / sum : exact[static_cast<size_t>(k)];
      weights[k] = static_cast<int32_t>(0.5 + w * (1 << kWeightBits));
    }
    taps.first[static_cast<size_t>(i)] = first;
    taps.count[static_cast<size_t>(i)] = count;
  }
  return taps;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

template <int kChannels>
Image horizontal(const Image& image, int width) {
  const Taps taps = make_taps(image.width, width);
  Image out{width, image.height, kChannels, {}};
  out.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(image.height) * kChannels);
  for (int y = 0; y < image.height; ++y) {
    uint8_t* to = out.row(y);
    for (int x = 0; x < width; ++x, to += kChannels) {
      const uint8_t* from = image.row(y) + taps.first[static_cast<size_t>(x)] * kChannels;
      const int32_t* weights =
          taps.weights.data() + static_cast<size_t>(x) * static_cast<size_t>(taps.width);
      int32_t sum[kChannels];
      for (int32_t& s : sum) s = kHalf;
      for (int k = 0; k < taps.count[static_cast<size_t>(x)]; ++k, from += kChannels)
        for (int c = 0; c < kChannels; ++c) sum[c] += from[c] * weights[k];
      for (int c = 0; c < kChannels; ++c) to[c] = rounded(sum[c]);
    }
  }
  return out;
}

Image vertical(const Image& image, int height) {
  const Taps taps = make_taps(image.height, height);
  const size_t row = static_cast<size_t>(image.width) * static_cast<size_t>(image.channels);
  Image out{image.width, height, image.channels, {}};
  out.pixels.resize(row * static_cast<size_t>(height));
  std::vector<int32_t> sums(row);
  for (int y = 0; y < height; ++y) {
    std::ranges::fill(sums, kHalf);
    const int32_t* weights =
        taps.weights.data() + static_cast<size_t>(y) * static_cast<size_t>(taps.width);
    for (int k = 0; k < taps.count[static_cast<size_t>(y)]; ++k) {
      const uint8_t* from = image.row(taps.first[static_cast<size_t>(y)] + k);
      const int32_t weight = weights[k];
      for (size_t i = 0; i < row; ++i) sums[i] += from[i] * weight;
    }
    uint8_t* to = out.row(y);
    for (size_t i = 0; i < row; ++i) to[i] = rounded(sums[i]);
  }
  return out;
}

}  // namespace

Image resize_bilinear(const Image& image, int width, int height) {
  if (width <= 0 || height <= 0 || image.width <= 0 || image.height <= 0)
    base::fail_input("E23", "a picture of {} x {} cannot be resized to {} x {}", image.width,
                     image.height, width, height);
  for (int between : {image.height, height})
    if (static_cast<uint64_t>(width) * static_cast<uint64_t>(between) > limits::kImagePixels)
      base::fail(ErrorKind::kLimit, "E60", "a picture of {} x {} is over the limit of {} pixels",
                 width, between, limits::kImagePixels);
  Image out = width == image.width  ? image
              : image.channels == 1 ? horizontal<1>(image, width)
                                    : horizontal<3>(image, width);
  return height == out.height ? out : vertical(out, height);
}

}  // namespace tersor::calib
