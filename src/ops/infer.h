// Inference over a whole graph, and interpretation by references.
#pragma once

#include "ir/model.h"
#include "ops/operator.h"

namespace tersor::ops {

// Fills the types of all values from the inputs, constants and operators. Unknown operators leave
// their outputs as declared. Where inference and a declaration disagree about an element type or a
// number, an Error (E16) names the value; symbols of declarations win over unknown.
void infer_shapes(ir::Model& model);

// Runs a node by its reference. Inputs: nullptr where absent.
std::vector<Tensor> interpret(const ir::Node& node, const ir::Model& model,
                              std::span<const Tensor* const> inputs);
// Runs a whole graph by references: the slow, plain specification of a model. `inputs` are in the
// order of graph.required_inputs(); captures follow for a subgraph.
std::vector<Tensor> interpret(const ir::Graph& graph, const ir::Model& model,
                              std::span<const Tensor> inputs);

}  // namespace tersor::ops
