// What a node costs: for reports.
#pragma once

#include "ir/model.h"

namespace tersor::ops {

// Multiplications and additions of one execution (products only count for operators that multiply
// matrices), with symbolic dimensions taken as 1. 0 where shapes are unknown.
int64_t multiply_accumulates(const ir::Graph& graph, const ir::Node& node);

}  // namespace tersor::ops
