// Decisions in the words of the public interface.
#pragma once

#include "quant/decisions.h"
#include "stats/statistics.h"
#include "tersor/quantize.h"

namespace tersor::eval {

// Fills `layers`, `tensors`, `weighted` and `quantized` of the result. `prepared`: the model that
// was calibrated. With `details`, histograms too.
void describe(const ir::Model& prepared, const quant::Decisions& decisions,
              const stats::Statistics& statistics, bool details, QuantizeResult& result);

}  // namespace tersor::eval
