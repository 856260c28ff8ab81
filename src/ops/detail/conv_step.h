// Convolutions of one or two spatial axes on channels-last tensors.
#pragma once

#include "ops/detail/conv_shape.h"
#include "ops/detail/product.h"

namespace tersor::ops::detail {

struct ConvForm {
  Window window;
  int64_t groups = 1, inputs = 1, outputs = 1;  // channels over all groups
  size_t x = 0;                                 // which input of the node
  std::optional<size_t> residual = {};          // likewise; added before the clip
  std::optional<size_t> zero_point = {};  // the input that holds x's zero point, if no constant
  Dims expected = {};  // of the output, logical, -1 where unknown; for the choice of a kernel

  // The form of a node with a weight of these dimensions. nullopt if there are more than two
  // spatial axes; an Error if attributes and weight contradict each other.
  static std::optional<ConvForm> of(const ir::Node& node, const Dims& weight);
  // Kernel, channels and groups; sizes are filled in by place().
  kernels::ConvShape shape() const;
  // The same with the output's expected size, below 1 where it is not known.
  kernels::ConvShape expected_shape() const;
  // The shape for an input of these channels-last dimensions; sets `out` to the output's
  // dimensions. An Error if they do not fit.
  kernels::ConvShape place(const Dims& in, Dims& out) const;
};

// What a convolution between float tensors of one type needs: weight and bias in float32, holding
// nothing finer than `type`.
struct FloatOperands {
  kernels::FloatType type;
  Tensor weight, bias;  // bias undefined: none

  // Of a Conv or ConvTranspose with `outputs` channels, from its inputs 0 to 2; nullopt if their
  // wires, or the output's, have other forms.
  static std::optional<FloatOperands> of(const runtime::BindContext& c, int64_t outputs);
};

runtime::Bound conv_float(const ConvForm& form, const FloatOperands& operands, Bounds bounds,
                          base::IsaSet isa);
runtime::Bound conv_u8s8(const ConvForm& form, const Tensor& weight, ByteNumbers numbers,
                         base::IsaSet isa);

}  // namespace tersor::ops::detail
