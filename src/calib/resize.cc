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
#include "kernels/resample/resample.h"

namespace tersor::calib {
namespace {

namespace kernel = kernels::resample;

struct Taps {
  int width = 0;                      // weights per output sample; those not needed are 0
  std::vector<int32_t> first, count;  // of input samples, per output sample
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
      weights[k] = static_cast<int32_t>(0.5 + w * (1 << kernel::kWeightBits));
    }
    taps.first[static_cast<size_t>(i)] = first;
    taps.count[static_cast<size_t>(i)] = count;
  }
  return taps;
}

const kernel::Table& table() {
  static const kernel::Table& t = kernel::table(base::detect_isa());
  return t;
}

Image horizontal(const Image& image, int width) {
  const Taps taps = make_taps(image.width, width);
  const kernel::Filter filter{width, taps.width, taps.first.data(), taps.count.data(),
                              taps.weights.data()};
  Image out{width, image.height, image.channels, {}};
  out.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(image.height) *
                    static_cast<size_t>(image.channels));
  for (int y = 0; y < image.height; ++y)
    table().row(image.row(y), image.width, image.channels, out.row(y), filter);
  return out;
}

Image vertical(const Image& image, int height) {
  const Taps taps = make_taps(image.height, height);
  const size_t row = static_cast<size_t>(image.width) * static_cast<size_t>(image.channels);
  Image out{image.width, height, image.channels, {}};
  out.pixels.resize(row * static_cast<size_t>(height));
  for (int y = 0; y < height; ++y) {
    const auto i = static_cast<size_t>(y);
    table().rows(image.row(taps.first[i]), static_cast<int64_t>(row), taps.count[i],
                 taps.weights.data() + i * static_cast<size_t>(taps.width),
                 static_cast<int64_t>(row), out.row(y));
  }
  return out;
}

}  // namespace

Image resize_bilinear(Image image, int width, int height) {
  if (width <= 0 || height <= 0 || image.width <= 0 || image.height <= 0)
    base::fail_input("E23", "a picture of {} x {} cannot be resized to {} x {}", image.width,
                     image.height, width, height);
  for (int between : {image.height, height})
    if (static_cast<uint64_t>(width) * static_cast<uint64_t>(between) > limits::kImagePixels)
      base::fail(ErrorKind::kLimit, "E60", "a picture of {} x {} is over the limit of {} pixels",
                 width, between, limits::kImagePixels);
  if (width != image.width) image = horizontal(image, width);
  return height == image.height ? std::move(image) : vertical(image, height);
}

}  // namespace tersor::calib
