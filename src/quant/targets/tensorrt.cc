// NVIDIA TensorRT 10 and 11: explicit quantization, symmetric [TensorRT documentation, "Working
// with Quantized Types" and its recommendations on the placement of Q/DQ; onnx-tensorrt,
// operators.md].
#include "quant/targets/rules.h"
#include "quant/targets/tables.h"

namespace tersor::quant {
namespace {

constexpr DType kActivations[] = {DType::kInt8, DType::kFloat8E4M3FN, DType::kFloat4E2M1};
constexpr DType kWeights[] = {DType::kInt8, DType::kFloat8E4M3FN, DType::kInt4, DType::kFloat4E2M1};
const TargetRule kRules[] = {
    {&kStandardForm, Severity::kRefused}, {&kOpset, Severity::kRefused},
    {&kTypes, Severity::kRefused},        {&kZeroPoint, Severity::kRefused},
    {&kScale, Severity::kRefused},        {&kActivationPerTensor, Severity::kRefused},
    {&kWeightAxis, Severity::kRefused},   {&kBiasFloat, Severity::kRefused},
    {&kPairs, Severity::kRefused},        {&kBothInputs, Severity::kSlow},
    {&kResidualAdd, Severity::kSlow},     {&kActivationBetween, Severity::kSlow},
    {&kBatchNorm, Severity::kSlow},       {&kOutputFloat, Severity::kSlow},
    {&kOwnDequantize, Severity::kSlow},
};

}  // namespace

extern const Target kTensorRt{.name = "tensorrt",
                              .label = "TensorRT",
                              .activation = DType::kInt8,
                              .quantizes_bias = false,
                              .conv_needs_output = false,
                              .clips_from_zero = false,
                              .quantizes_residual_adds = true,
                              .keeps_float_readers = true,
                              .mixes_int4 = false,
                              .min_opset = 10,
                              .max_opset = 25,
                              .activation_types = kActivations,
                              .weight_types = kWeights,
                              .rules = kRules};

}  // namespace tersor::quant
