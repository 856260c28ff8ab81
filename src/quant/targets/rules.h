// The rules that tables of targets are made of: private to the room.
#pragma once

#include "quant/targets/target.h"

namespace tersor::quant {

// numbers.cc: the numbers of each QuantizeLinear and DequantizeLinear.
extern const Rule kOpset, kTypes, kMixedSigns, kScale, kZeroPoint, kActivationPerTensor,
    kWeightAxis, kBiasFloat;
// placement.cc: where they stand.
extern const Rule kPairs, kBothInputs, kResidualAdd, kActivationBetween, kBatchNorm, kOutputFloat,
    kOwnDequantize, kConvOutput, kClipsAtZero;
// operators.cc: which operators there are.
extern const Rule kStandardForm, kChannelsOfQLinear, kHasKernel;

}  // namespace tersor::quant
