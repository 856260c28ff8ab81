#include "quant/formats/saturation.h"

#include <algorithm>
#include <cmath>

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

Inner inner_of(const ir::Node& node, const Tensor& w) {
  Inner in;
  if (w.rank() < 2 || w.count() == 0) return in;
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

int64_t pair_of(const Inner& in, std::span<const int8_t> codes, int64_t channel) {
  int64_t largest = 0;
  for (int64_t k = 0; k < in.depth; k += 2) {
    const int a = codes[static_cast<size_t>(in.at(channel, k))];
    const int b = k + 1 < in.depth ? codes[static_cast<size_t>(in.at(channel, k + 1))] : 0;
    largest = std::max<int64_t>(
        largest, std::max(std::max(a, 0) + std::max(b, 0), -(std::min(a, 0) + std::min(b, 0))));
  }
  return largest;
}

}  // namespace

int64_t largest_pair(const Tensor& codes, const ir::Node& node) {
  const Inner in = inner_of(node, codes);
  int64_t largest = 0;
  for (int64_t c = 0; c < in.channels; ++c)
    largest = std::max(largest, pair_of(in, codes.data<int8_t>(), c));
  return largest;
}

std::vector<int64_t> pair_partners(const ir::Node& node, const Tensor& weight) {
  const Inner in = inner_of(node, weight);
  std::vector<int64_t> partners(static_cast<size_t>(in.depth), -1);
  const int64_t unit =
      std::min(in.tap_stride > 0 ? in.tap_stride : in.input_stride, in.input_stride);
  for (int64_t k = 0; k + 1 < in.depth; k += 2) {
    const int64_t a = in.at(0, k) / unit, b = in.at(0, k + 1) / unit;
    partners[static_cast<size_t>(a)] = b;
    partners[static_cast<size_t>(b)] = a;
  }
  return partners;
}

void avoid_saturation(Format& format, const ir::Node& node, const Tensor& weight) {
  // Each round brings the sum to its bound but for the rounding of two codes.
  constexpr int kRounds = 8;
  const Inner in = inner_of(node, weight);
  const bool per_channel = format.params.axis >= 0;
  for (int round = 0; round < kRounds; ++round) {
    const Tensor codes = quantize(weight, format);
    std::vector<int64_t> worst(format.params.scales.size(), 0);
    for (int64_t c = 0; c < in.channels; ++c) {
      int64_t& w = worst[per_channel ? static_cast<size_t>(c) : 0];
      w = std::max(w, pair_of(in, codes.data<int8_t>(), c));
    }
    bool fits = true;
    for (size_t i = 0; i < worst.size(); ++i) {
      if (worst[i] <= kMostOfPair) continue;
      fits = false;
      // The last rounds take half a code more, so that rounding cannot keep it from ending.
      const double most = static_cast<double>(kMostOfPair) - (round >= kRounds / 2 ? 1 : 0);
      format.params.scales[i] *= static_cast<float>(static_cast<double>(worst[i]) / most);
    }
    if (fits) return;
  }
}

}  // namespace tersor::quant
