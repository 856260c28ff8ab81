// Chooses how each wire lies in memory and inserts the conversions.
#pragma once

#include <vector>

#include "engine/lower/lowering.h"

namespace tersor::engine {

// Operator name of the inserted conversion nodes; attribute "to" is "channels_last" or "rows". They exist
// only in plans.
inline constexpr const char* kConvertLayout = "tersor.ConvertLayout";

// The layout of every value of l.graph() after conversions were inserted. Convolutional parts run channels-last from end
// to end: an operator that takes any layout follows its inputs.
std::vector<runtime::Layout> assign_layouts(Lowering& l);

}  // namespace tersor::engine
