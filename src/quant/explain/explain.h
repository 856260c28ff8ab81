// From a quantized graph and its notes to what a user reads.
#pragma once

#include "ir/model.h"
#include "tersor/explain.h"

namespace tersor::quant {

Explanation explain(const ir::Model& model);

}  // namespace tersor::quant
