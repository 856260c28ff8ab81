// Weights that a runtime cannot overflow with.
#pragma once

#include <vector>

#include "ir/model.h"
#include "quant/decisions.h"

namespace tersor::quant {

// On x86 without VNNI pmaddubsw multiplies uint8 by int8: products of two neighbours along the
// inner axis are added in 16 bits and saturate beyond [-32768, 32767]. With activations of up to
// 255 a sum stays inside, whatever the data, if of its weights the positive ones add up to at most
// 128 and the negative ones to at least -128 (255 * 128 = 32640). A sum has `target.adds` products:
//   2  onnxruntime, which would saturate [core/mlas/lib/x86_64/QgemmU8S8KernelAvx2.S; the inner
//   axis
//      of a Conv: kernel positions, in each the input channels: ReorderFilter in qlinearconv.cc]
//   4  tersor, which is exact anyhow, and fast where four fit [kernels/gemm_u8s8/fours.h]: of each
//      eight input channels 0, 1, 4, 5 and 2, 3, 6, 7; not in stems
// A depthwise Conv has exact kernels of its own, and so has what tersor computes by Winograd.
//
// Raises the scale of every output channel where its sums do not fit, as little as that takes;
// others stay as they are. Layers that would lose more than a bit by sums of four stay as they are.
void avoid_saturation(Format& format, const ir::Node& node, const Tensor& weight, int adds);

inline constexpr int kMostOfSum = 128;
// For each number of a filter (ops/patches.h) the next one in the same sum, the first after the
// last: itself if it is in none. Empty where all products are exact.
std::vector<int64_t> sum_rings(const ir::Node& node, const Tensor& weight, int adds);

// The largest sum as above, by magnitude, over all output channels; 0 where products are exact.
int64_t largest_sum(const Tensor& codes, const ir::Node& node, int adds);

}  // namespace tersor::quant
