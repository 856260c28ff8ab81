// What of a model has to run again where another form of it has run already.
#pragma once

#include <string>
#include <vector>

#include "ir/model.h"

namespace tersor::quant {

struct ChangedPart {
  // Its outputs are those outputs of the whole that `base` does not give, by the same names: none
  // if the models are the same. Constants that `base` has too share its memory.
  ir::Model model;
  std::vector<std::string> feeds;  // for each of its inputs, in order: the value of `base`
};

// Two values are the same if operators, attributes and constants agree all the way from the inputs
// of the models; names need not. The part begins at inputs of the model, at codes that a
// QuantizeLinear gives, and at values that no DequantizeLinear leads to: to keep those of `base`
// changes no integer that it computes. Nodes with subgraphs count as changed.
ChangedPart changed_part(const ir::Model& base, const ir::Model& whole);

}  // namespace tersor::quant
