// OpenVINO on the CPU: QuantizeLinear and DequantizeLinear become FakeQuantize, which its
// low-precision transformations move and fuse [OpenVINO documentation, "Low Precision
// Transformations"].
#include "quant/targets/rules.h"
#include "quant/targets/tables.h"

namespace tersor::quant {
namespace {

constexpr DType kActivations[] = {DType::kUint8, DType::kInt8, DType::kFloat8E4M3FN,
                                  DType::kFloat8E5M2};
constexpr DType kWeights[] = {DType::kInt8,      DType::kUint8,      DType::kInt4,
                              DType::kUint4,     DType::kFloat4E2M1, DType::kFloat8E4M3FN,
                              DType::kFloat8E5M2};
const TargetRule kRules[] = {
    {&kChannelsOfQLinear, Severity::kRefused},
    {&kOpset, Severity::kRefused},
    {&kTypes, Severity::kRefused},
    {&kScale, Severity::kRefused},
    {&kActivationPerTensor, Severity::kSlow},
    {&kWeightAxis, Severity::kSlow},
    {&kBothInputs, Severity::kSlow},
};

}  // namespace

extern const Target kOpenVino{.name = "openvino",
                              .label = "OpenVINO",
                              .min_opset = 10,
                              .max_opset = 28,
                              .activation_types = kActivations,
                              .weight_types = kWeights,
                              .rules = kRules};

}  // namespace tersor::quant
