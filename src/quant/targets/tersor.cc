// tersor's own engine: what src/engine/lower/absorb_qdq.cc takes up.
#include "quant/targets/rules.h"
#include "quant/targets/tables.h"

namespace tersor::quant {
namespace {

constexpr DType kTypesTaken[] = {DType::kUint8, DType::kInt8};
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
                            .activation_types = kTypesTaken,
                            .weight_types = kTypesTaken,
                            .rules = kRules};

}  // namespace tersor::quant
