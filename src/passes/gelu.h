// The shapes in which exporters write Gelu, for the pass and for the engine's lowering.
#pragma once

#include <optional>

#include "passes/editor.h"

namespace tersor::passes {

struct GeluMatch {
  ir::ValueId x = ir::kNone;
  bool tanh = false;                // the tanh approximation
  std::vector<ir::NodeId> inner;    // nodes read by nobody else, not counting `last`
};
// A Gelu whose last operation is node `last`; its inner values have no other reader and are no graph outputs.
std::optional<GeluMatch> match_gelu(const Editor& graph, ir::NodeId last);
// Rewrites every match in the main graph into Gelu whatever the model's opset; returns how many. For models that are
// not exported (Gelu exists from opset 20 on).
int fuse_gelu(ir::Graph& graph);

}  // namespace tersor::passes
