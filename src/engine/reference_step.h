// A step that runs an operator by its reference: right, and slow.
#pragma once

#include <memory>
#include <vector>

#include "engine/plan.h"
#include "ops/operator.h"

namespace tersor::engine {

struct BodyPlan {
  std::shared_ptr<const Plan> plan;
  const ir::Graph* source = nullptr;  // the attribute's graph, to find the plan by
  std::vector<ir::ValueId> captured;  // outer values, in the order of plan->captures
};

// The step's inputs are the node's, then the captured values of each body in order.
runtime::Call reference_step(const ops::Operator& op, const ir::Node& node, int version,
                             std::vector<BodyPlan> bodies);

}  // namespace tersor::engine
