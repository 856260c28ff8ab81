// Pooling steps on channels-last tensors of one to three spatial axes.
#pragma once

#include "ops/detail/bind.h"
#include "ops/detail/conv_shape.h"

namespace tersor::ops::detail {

enum class PoolKind : uint8_t { kMax, kAverage };

// nullopt where the wires are not channels-last, more than one output is wanted, or types have no
// kernel. `global`: the window is all of the input.
std::optional<runtime::Bound> bind_pool(const ir::Node& node, const runtime::BindContext& c,
                                        PoolKind kind, bool global);

}  // namespace tersor::ops::detail
