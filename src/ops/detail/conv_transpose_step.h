// ConvTranspose as convolutions: one for each phase of the output.
#pragma once

#include "ops/operator.h"

namespace tersor::ops::detail {

// Channels-last, one or two spatial axes, constant weights, dilations of 1, no output_shape or
// auto_pad. Output o of an axis with stride s meets only the taps k with k = o + begin (mod s): the
// outputs of one such phase are a convolution of the input with these taps in reverse. nullopt for
// anything else.
std::optional<runtime::Bound> bind_conv_transpose(const ir::Node& node,
                                                  const runtime::BindContext& c);

}  // namespace tersor::ops::detail
