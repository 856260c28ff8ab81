// Operators on 16-bit floats by their steps on f32: widened on the way in, rounded once on the way
// out.
#pragma once

#include <optional>

#include "ops/operator.h"

namespace tersor::engine {

// What `op` binds for these wires if every float16 and bfloat16 among them were float32, between
// conversions. nullopt if there is no such wire, or nothing is bound.
std::optional<runtime::Bound> bind_widened(const ops::Operator& op, const ir::Node& node,
                                           const runtime::BindContext& context);

}  // namespace tersor::engine
