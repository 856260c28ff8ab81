// Which layers stay in float so that a model keeps its accuracy: as few as can be found. Whoever
// calls runs the models.
#pragma once

#include <functional>
#include <optional>
#include <vector>

namespace tersor::quant {

struct Outcome {
  bool holds = false;  // the accuracy asked for
  double loss = 0;     // less is better
};
// What becomes of the model with these layers in float (sorted); nullopt ends the search.
using Measure = std::function<std::optional<Outcome>(const std::vector<size_t>& left)>;

struct Fewest {
  std::vector<size_t> left;  // sorted
  Outcome outcome;
};

// Orders of all layers to leave in float, each with the most promising first.
using Orders = std::vector<std::vector<size_t>>;

// The best that was measured: where the accuracy holds, the fewest layers in float; otherwise the
// least loss. nullopt if nothing was. `orders` are asked for if the accuracy does not hold with no
// layer in float: of each order, the shortest beginning that holds is sought by doubling and
// halving; then each of its layers is given back unless that breaks the accuracy, the least
// promising of the first order first. No set of layers is measured twice.
std::optional<Fewest> fewest_in_float(const std::function<Orders()>& orders,
                                      const Measure& measure);

}  // namespace tersor::quant
