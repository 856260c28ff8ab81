#include "quant/formats/saturation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "quant/formats/int8.h"

namespace tersor::quant {
namespace {

// How the weights of an output channel follow each other along the inner axis.
struct Inner {
  int64_t channels = 0, depth = 0;
  int64_t channel_stride = 0;
  int64_t taps = 1, inputs = 1, tap_stride = 0, input_stride = 0;  // depth = taps * inputs
  int64_t at(int64_t channel, int64_t k) const {
    return channel * channel_stride + k / inputs * tap_stride + k % inputs * input_stride;
  }
};

// Whether tersor may compute it by Winograd's way, in 16 bits.
bool in_tiles(const ir::Node& node, const Tensor& w) {
  const auto ones = [&](const char* name) {
    return std::ranges::all_of(node.attr_ints(name), [](int64_t x) { return x == 1; });
  };
  return w.rank() == 4 && w.dim(2) == 3 && w.dim(3) == 3 && node.attr_int("group", 1) == 1 &&
         ones("strides") && ones("dilations");
}

// Kernels over few channels, as over pixels: little work, on which everything else depends.
bool is_stem(const Tensor& w) { return w.dim(1) < 16 && w.count() > w.dim(0) * w.dim(1); }

Inner inner_of(const ir::Node& node, const Tensor& w, int adds) {
  Inner in;
  if (w.rank() < 2 || w.count() == 0) return in;
  if (adds == 4 && node.op == "Conv" && (is_stem(w) || in_tiles(node, w))) return in;
  if (node.op == "Conv") {
    in.channels = w.dim(0);
    in.inputs = w.dim(1);
    in.taps = w.count() / (in.channels * in.inputs);
    in.channel_stride = in.inputs * in.taps;
    in.input_stride = in.taps;
    in.tap_stride = 1;
    if (in.inputs == 1 && node.attr_int("group", 1) == in.channels) return {};
  } else if (node.op == "Gemm" || (node.op == "MatMul" && w.rank() == 2)) {
    const bool transposed = node.op == "Gemm" && node.attr_int("transB", 0) != 0;
    in.channels = w.dim(transposed ? 0 : 1);
    in.inputs = w.dim(transposed ? 1 : 0);
    in.channel_stride = transposed ? in.inputs : 1;
    in.input_stride = transposed ? 1 : in.channels;
  } else {
    return {};
  }
  in.depth = in.taps * in.inputs;
  return in;
}

// Calls f with the places along the inner axis of each sum of `adds` products.
template <typename F>
void each_sum(const Inner& in, int adds, F f) {
  if (adds == 2) {
    for (int64_t k = 0; k + 1 < in.depth; k += 2) f(std::array{k, k + 1});
    return;
  }
  for (int64_t first = 0; first < in.depth; first += in.inputs)
    for (int64_t k = first; k + 8 <= first + in.inputs; k += 8)
      for (const int64_t half : {k, k + 2}) f(std::array{half, half + 1, half + 4, half + 5});
}

int64_t largest_sum_of(const Inner& in, int adds, std::span<const int8_t> codes, int64_t channel) {
  int64_t largest = 0;
  each_sum(in, adds, [&](const auto& places) {
    int64_t up = 0, down = 0;
    for (const int64_t k : places) {
      const int w = codes[static_cast<size_t>(in.at(channel, k))];
      (w > 0 ? up : down) += w;
    }
    largest = std::max({largest, up, -down});
  });
  return largest;
}

}  // namespace

int64_t largest_sum(const Tensor& codes, const ir::Node& node, int adds) {
  const Inner in = inner_of(node, codes, adds);
  int64_t largest = 0;
  for (int64_t c = 0; c < in.channels; ++c)
    largest = std::max(largest, largest_sum_of(in, adds, codes.data<int8_t>(), c));
  return largest;
}

std::vector<int64_t> sum_rings(const ir::Node& node, const Tensor& weight, int adds) {
  const Inner in = inner_of(node, weight, adds);
  std::vector<int64_t> next(static_cast<size_t>(in.depth));
  std::iota(next.begin(), next.end(), int64_t{0});
  const int64_t unit =
      std::min(in.tap_stride > 0 ? in.tap_stride : in.input_stride, in.input_stride);
  each_sum(in, adds, [&](const auto& places) {
    for (size_t i = 0; i < places.size(); ++i)
      next[static_cast<size_t>(in.at(0, places[i]) / unit)] =
          in.at(0, places[(i + 1) % places.size()]) / unit;
  });
  return next;
}

void avoid_saturation(Format& format, const ir::Node& node, const Tensor& weight, int adds) {
  // Each round brings the sums to their bound but for the rounding of codes.
  constexpr int kRounds = 8;
  const Inner in = inner_of(node, weight, adds);
  const bool per_channel = format.params.axis >= 0;
  std::vector<float> scales = format.params.scales;
  for (int round = 0; round < kRounds; ++round) {
    const Tensor codes = quantize(weight, format);
    std::vector<int64_t> worst(scales.size(), 0);
    for (int64_t c = 0; c < in.channels; ++c) {
      int64_t& w = worst[per_channel ? static_cast<size_t>(c) : 0];
      w = std::max(w, largest_sum_of(in, adds, codes.data<int8_t>(), c));
    }
    bool fits = true;
    for (size_t i = 0; i < worst.size(); ++i) {
      if (worst[i] <= kMostOfSum) continue;
      fits = false;
      // The last rounds take half a code more, so that rounding cannot keep it from ending.
      const double most = static_cast<double>(kMostOfSum) - (round >= kRounds / 2 ? adds / 2 : 0);
      format.params.scales[i] *= static_cast<float>(static_cast<double>(worst[i]) / most);
    }
    if (fits) break;
  }
  if (adds != 4) return;
  double bits = 0;
  for (size_t i = 0; i < scales.size(); ++i)
    bits += std::log2(static_cast<double>(format.params.scales[i] / scales[i]));
  if (bits > static_cast<double>(scales.size())) format.params.scales = std::move(scales);
}

}  // namespace tersor::quant
