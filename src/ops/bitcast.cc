// BitCast (26): the same bits read as another type of the same width.
#include "ops/detail/arguments.h"

namespace tersor::ops {
namespace {

DType target(const ir::Node& node) { return static_cast<DType>(node.attr_int("to", 0)); }

void infer(InferContext& c) { c.out(0, target(c.node), c.shape(0)); }

void reference(ComputeContext& c) {
  const DType to = target(c.node), from = c.in(0).dtype();
  if (tensor::bits(to) == 0 || tensor::bits(to) != tensor::bits(from))
    base::fail_input("E22", "{} cannot be read as {}", tensor::name(from), tensor::name(to));
  c.outputs[0] = c.in(0).reinterpreted(to);
}

}  // namespace

extern const Operator kBitCast{.name = "BitCast",
                               .since = 26,
                               .infer = infer,
                               .reference = reference,
                               .traits = {.layout = LayoutClass::kAny, .view = true}};

}  // namespace tersor::ops
