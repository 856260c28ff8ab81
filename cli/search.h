// The accuracy that quantize must keep, and what the search for it found.
#pragma once

#include <optional>
#include <string>

#include "render.h"

namespace tersor::cli {

struct GoalOptions {
  std::string max_drop, metric, command, command_time = "1h", time;
};
// --max-drop, --metric, --metric-command, --metric-time, --time.
void add_goal(CLI::App& app, GoalOptions& options);
// Nothing if no drop is given. A usage Error says what cannot be read.
std::optional<Goal> goal_of(const GoalOptions& options);

Json to_json(const Sensitivity& sensitivity);
Json to_json(const Search& search);
// The layers, those that hurt most first; at most so many, 0: all.
std::string sensitivity_text(const Sensitivity& sensitivity, size_t most = 0);
// The mixes that were tried. `timings`: of the original, the result and the model without a layer
// in float, or nothing.
std::string search_text(const Search& search, const std::vector<Timing>& timings);

}  // namespace tersor::cli
