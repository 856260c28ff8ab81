// Options as a recipe, and what a recipe decides.
#pragma once

#include "api/calibration.h"

namespace tersor::api {

// `settled`: by QuantizeOptions::settled(). E50 unknown names; E33 a type that the target does not
// take; E51 if it needs more than statistics and there are no data.
quant::Recipe recipe_of(const QuantizeOptions& settled, const Data& data);

// The decisions of a recipe, learned rounding included, for which it looks at the data again.
quant::Decisions decide(const Prepared& prepared, const stats::Statistics& statistics,
                        const quant::Recipe& recipe, const Data& data,
                        const QuantizeOptions& options);

}  // namespace tersor::api
