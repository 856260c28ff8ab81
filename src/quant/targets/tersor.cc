// tersor's own engine: what src/engine/lower/absorb_qdq.cc takes up.
#include "quant/targets/rules.h"
#include "quant/targets/tables.h"

namespace tersor::quant {
namespace {

constexpr DType kActivations[] = {DType::kUint8, DType::kInt8};
constexpr DType kWeights[] = {DType::kInt8,  DType::kUint8, DType::kInt4,
                              DType::kUint4, DType::kInt2,  DType::kUint2};
const TargetRule kRules[] = {
    {&kTypes, Severity::kSlow},
    {&kScale, Severity::kSlow},
    {&kActivationPerTensor, Severity::kSlow},
    {&kWeightAxis, Severity::kSlow},
    {&kBothInputs, Severity::kSlow},
};

}  // namespace

extern const Target kTersor{.name = "tersor",
                            .label = "tersor",
                            .conv_needs_output = false,
                            .min_opset = 10,
                            .max_opset = 28,
                            .activation_types = kActivations,
                            .weight_types = kWeights,
                            .rules = kRules};

// The same with weights that its fastest exact kernels for AVX2 take; they compute a little less
// exactly than those of kTersor, everywhere.
extern const Target kTersorAvx2{.name = "tersor-avx2",
                                .label = "tersor on AVX2",
                                .conv_needs_output = false,
                                .adds = 4,
                                .min_opset = 10,
                                .max_opset = 28,
                                .activation_types = kActivations,
                                .weight_types = kWeights,
                                .rules = kRules};

}  // namespace tersor::quant
