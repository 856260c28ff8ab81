// QuantizeLinear (10, 13, 19, 21, 23, 24, 25) and com.microsoft's: y = saturate(rint(x / scale) + zero point), per
// tensor, axis or block; the quotient in the precision of the scale unless attribute `precision` says otherwise.
#include "ops/detail/quant.h"

namespace tersor::ops {
namespace {

using namespace detail;

DType target(const ir::Node& node, DType zero_point) {
  if (zero_point != DType::kUndefined) return zero_point;
  return static_cast<DType>(node.attr_int("output_dtype", static_cast<int64_t>(DType::kUint8)));
}

void infer(InferContext& c) {
  const bool open = c.has(2) && c.elem(2) == DType::kUndefined;
  c.out(0, open ? DType::kUndefined : target(c.node, c.has(2) ? c.elem(2) : DType::kUndefined),
        c.shape(0));
}

void reference(ComputeContext& c) {
  const Tensor* zero_point = c.has(2) ? c.inputs[2] : nullptr;
  QuantizeOptions o;
  o.axis = c.node.attr_int("axis", 1);
  o.block = c.node.attr_int("block_size", 0);
  o.saturate = c.node.attr_int("saturate", 1) != 0;
  o.to = target(c.node, zero_point ? zero_point->dtype() : DType::kUndefined);
  o.precision = static_cast<DType>(c.node.attr_int("precision", 0));
  if (o.precision == DType::kUndefined) o.precision = c.in(1).dtype();
  c.outputs[0] = quantize(c.in(0), c.in(1), zero_point, o);
}

}  // namespace

extern const Operator kQuantizeLinear{.name = "QuantizeLinear",
                                      .since = 10,
                                      .infer = infer,
                                      .reference = reference,
                                      .traits = {.layout = LayoutClass::kAny}};
extern const Operator kMicrosoftQuantizeLinear{.name = "QuantizeLinear",
                                               .domain = "com.microsoft",
                                               .infer = infer,
                                               .reference = reference,
                                               .traits = {.layout = LayoutClass::kAny}};

}  // namespace tersor::ops
