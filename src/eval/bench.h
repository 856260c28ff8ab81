// Latency, measured so that a noisy machine cannot decide: rounds of all models take turns.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calib/dataset.h"
#include "ir/model.h"
#include "tersor/compare.h"

namespace tersor::eval {

using Named = std::pair<std::string, const ir::Model*>;
// Opens the data of the options for a model; nullptr: random numbers.
using Open = std::function<std::unique_ptr<calib::Dataset>(const ir::Model&)>;
// A row per thread count and model, in this order.
std::vector<Timing> bench(const std::vector<Named>& models, const BenchOptions& options,
                          const Open& open = {});
// The median time of every step, in the order they run; the first entry of options.threads counts.
std::vector<LayerTiming> profile(const ir::Model& model, const BenchOptions& options,
                                 const Open& open = {});

}  // namespace tersor::eval
