// Chooses how each wire lies in memory and inserts the conversions.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "engine/lower/lowering.h"

namespace tersor::engine {

// Operator name of the inserted conversion nodes; attribute "to" is "channels_last" or "rows". They
// exist only in plans.
inline constexpr const char* kConvertLayout = "tersor.ConvertLayout";

struct Layouts {
  std::vector<runtime::Layout> of;  // of every value of the graph, conversions included
  // Captured values that lie channels-last: the value of the same name's bytes in rows.
  std::unordered_map<std::string, ir::ValueId> captured_rows;
};

// Inserts the conversions. Convolutional parts run channels-last from end to end: an operator that
// takes any layout follows its inputs. Graph outputs become their copies in rows; no value changes
// its name.
Layouts assign_layouts(Lowering& l);

}  // namespace tersor::engine
