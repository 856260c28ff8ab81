// Bias correction: rounding a weight shifts the mean of an output; the bias takes that back
// [Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
// section 4.2].
#pragma once

#include <vector>

#include "ir/model.h"

namespace tersor::quant {

// True for Conv and Gemm with a constant bias or none.
bool corrects_bias(const ir::Graph& graph, const ir::Node& node);
// bias - (rounded - weight) * mean, per output channel. `mean`: of every input channel, [C]; where
// it does not fit, or is empty, the result is empty: nothing to correct.
std::vector<float> corrected_bias(const ir::Node& node, const Tensor& weight, const Tensor& rounded,
                                  const Tensor* bias, const std::vector<double>& mean);

}  // namespace tersor::quant
