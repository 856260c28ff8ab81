// Weights rounded so that what a layer gives, not each weight, comes out as close as it can: by the
// second moments of what goes into it (lattice.h has the method and its sources). Scales are
// searched under the same error. Where the bias takes up the mean of what is left, only the
// variance counts.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ir/model.h"
#include "quant/decisions.h"
#include "stats/gram.h"

namespace tersor::quant {

// First outputs of the nodes whose weights it can round: their moments are to be observed in the
// model as quantized so far (calib/grams.h).
std::set<std::string> rounding_points(const ir::Model& model, const Decisions& decisions);

// Sets codes, scales and biases of the nodes that `moments` knows: by first output, one matrix for
// each group, of the centred codes of the input and a last column of ones. The result does not
// depend on the number of threads (0: one per core).
void learn_rounding(const ir::Model& model, const Recipe& recipe,
                    const std::map<std::string, std::vector<stats::Gram>>& moments,
                    Decisions& decisions, int threads = 0);

}  // namespace tersor::quant
