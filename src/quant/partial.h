// Models that are not ready to be quantized as they are.
#pragma once

#include <map>
#include <string>

#include "ir/model.h"

namespace tersor::quant {

// The part of a model that the engine can run: nodes that need an operator tersor does not have, or
// what comes behind one, are left out. Its outputs are those of `points`, and of the model, that
// remain; `points` loses the others.
ir::Model observable_part(const ir::Model& model, std::map<std::string, int>& points);
// A quantized model in float: pairs of QuantizeLinear and DequantizeLinear vanish, quantized
// constants become floats.
ir::Model remove_quantization(const ir::Model& model);

}  // namespace tersor::quant
