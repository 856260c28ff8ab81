// Weights that a runtime cannot overflow with.
#pragma once

#include <vector>

#include "ir/model.h"
#include "quant/decisions.h"

namespace tersor::quant {

// On x86 without VNNI, onnxruntime multiplies uint8 by int8 with pmaddubsw: products of two
// neighbours along the inner axis are added in 16 bits and saturate beyond [-32768, 32767]. With
// activations of up to 255 the sum stays inside, whatever the data, if of two neighbouring codes
// the positive ones add up to at most 128 and the negative ones to at least -128
// (255 * 128 = 32640). This raises the scale of every output channel where they do not, as little
// as that takes; others stay as they are. [onnxruntime, core/mlas/lib/x86_64/QgemmU8S8KernelAvx2.S;
// the inner axis of a Conv: kernel positions, in each the input channels: ReorderFilter in
// qlinearconv.cc. A depthwise Conv has exact kernels of its own.]
void avoid_saturation(Format& format, const ir::Node& node, const Tensor& weight);

// The sum of two neighbours that is exact, and for each number of a filter (ops/patches.h) which
// one is its neighbour: -1 if none. Empty where products are exact.
inline constexpr int kMostOfPair = 128;
std::vector<int64_t> pair_partners(const ir::Node& node, const Tensor& weight);

// The largest sum of two neighbours as above, by magnitude, over all output channels; 0 where
// products are exact.
int64_t largest_pair(const Tensor& codes, const ir::Node& node);

}  // namespace tersor::quant
