// DequantizeLinear (10, 13, 19, 21, 23, 24, 25) and com.microsoft's: y = (x - zero point) * scale, per tensor, axis
// or block, in the type of the scale unless output_dtype (23) says otherwise.
#include "ops/detail/quant.h"

namespace tersor::ops {
namespace {

using namespace detail;

DType target(const ir::Node& node, DType scale) {
  const auto named = static_cast<DType>(node.attr_int("output_dtype", 0));
  return named == DType::kUndefined ? scale : named;
}

void infer(InferContext& c) { c.out(0, target(c.node, c.elem(1)), c.shape(0)); }

void reference(ComputeContext& c) {
  c.outputs[0] = dequantize(c.in(0), c.in(1), c.has(2) ? c.inputs[2] : nullptr, c.node.attr_int("axis", 1),
                            c.node.attr_int("block_size", 0), target(c.node, c.in(1).dtype()));
}

}  // namespace

extern const Operator kDequantizeLinear{.name = "DequantizeLinear",
                                        .since = 10,
                                        .infer = infer,
                                        .reference = reference,
                                        .traits = {.layout = LayoutClass::kAny}};
extern const Operator kMicrosoftDequantizeLinear{.name = "DequantizeLinear",
                                                 .domain = "com.microsoft",
                                                 .infer = infer,
                                                 .reference = reference,
                                                 .traits = {.layout = LayoutClass::kAny}};

}  // namespace tersor::ops
