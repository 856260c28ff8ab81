// onnxruntime on the CPU [its sources: optimizer/qdq_transformer/selectors_actions,
// qdq_selector_action_transformer.cc, relu_quantizelinear.cc, clip_quantizelinear.cc].
#include "quant/targets/rules.h"
#include "quant/targets/tables.h"

namespace tersor::quant {
namespace {

constexpr DType kActivations[] = {DType::kUint8, DType::kInt8};
constexpr DType kWeights[] = {DType::kInt8,  DType::kUint8, DType::kInt4,
                              DType::kUint4, DType::kInt2,  DType::kUint2};
// What qdq_selector_action_transformer.cc replaces by an 8-bit operator, and what only moves
// values.
const std::set<std::string_view> kOperators{
    "Conv",     "MatMul",      "Gemm",    "Add",     "Mul",       "Concat",
    "Sigmoid",  "Softmax",     "Where",   "Split",   "LeakyRelu", "AveragePool",
    "ArgMax",   "Expand",      "Flatten", "Gather",  "Reshape",   "GlobalAveragePool",
    "Slice",    "Squeeze",     "Tile",    "MaxPool", "Transpose", "GatherElements",
    "Resize",   "ReduceMax",   "Relu",    "Clip",    "Unsqueeze", "ReduceMin",
    "Identity", "DepthToSpace"};
const TargetRule kRules[] = {
    {&kOpset, Severity::kRefused},
    {&kTypes, Severity::kSlow},
    {&kMixedSigns, Severity::kSlow},
    {&kScale, Severity::kRefused},
    {&kActivationPerTensor, Severity::kSlow},
    {&kWeightAxis, Severity::kSlow},
    {&kBothInputs, Severity::kSlow},
    {&kConvOutput, Severity::kSlow},
    {&kClipsAtZero, Severity::kSlow},
    {&kHasKernel, Severity::kSlow},
};

}  // namespace

extern const Target kOnnxRuntime{.name = "onnxruntime",
                                 .label = "onnxruntime",
                                 .adds = 2,
                                 .operators = &kOperators,
                                 .min_opset = 10,
                                 .max_opset = 27,
                                 .activation_types = kActivations,
                                 .weight_types = kWeights,
                                 .rules = kRules};

}  // namespace tersor::quant
