// Values that two forms of one model have in common.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/session.h"
#include "ir/model.h"
#include "stats/difference.h"

namespace tersor::eval {

// What holds a value at run time: its codes where a QuantizeLinear stores it (with their scale and
// zero point), itself where a node in float makes it.
struct Wire {
  std::string name;
  std::optional<QuantParams> params;
};
// A float value of the original that both models hold. One that the integers only pass through (the
// sum before a Relu, say) is none.
struct Layer {
  std::string value, node, op;  // of the original
  Wire original, other;
};
// In graph order. To keep these wires for taps changes no integer that either model computes.
std::vector<Layer> common_layers(const ir::Graph& original, const ir::Graph& other);

// Collects the differences of layers over runs of both models.
class LayerDifferences {
 public:
  explicit LayerDifferences(std::vector<Layer> layers);

  const std::vector<Layer>& layers() const noexcept { return layers_; }
  const stats::Difference& operator[](size_t layer) const { return differences_[layer]; }
  std::set<std::string> keep_of_original() const;
  std::set<std::string> keep_of_other() const;
  // For one run of the original, and then one of the other model on the same inputs.
  engine::Tap remember();
  engine::Tap compare();

 private:
  std::vector<Layer> layers_;
  std::map<std::string, std::vector<size_t>> by_original_, by_other_;  // by the name of the wire
  std::vector<Tensor> seen_;                                           // by layer
  std::vector<stats::Difference> differences_;
};

}  // namespace tersor::eval
