// A model in half precision with the help of data.
#pragma once

#include <vector>

#include "api/impl.h"
#include "quant/halves/halves.h"
#include "tersor/convert.h"

namespace tersor::api {

// Ranges say which nodes cannot be halves, the results which should not; weights are rounded by
// what goes into them. `source`: without functions, its constants initializers. Throws what reading
// the data and running the model throw.
quant::Halves halves_on_data(const ir::Model& source, quant::HalvesRecipe recipe, const Data& data,
                             const ConvertOptions& options, std::vector<Warning>& warnings);

}  // namespace tersor::api
