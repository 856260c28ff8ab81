// What each layer costs in 8 bits, measured at the outputs of the model.
#pragma once

#include <string>
#include <vector>

#include "eval/form_errors.h"
#include "quant/decisions.h"

namespace tersor::eval {

// A float model, and what is known of it.
struct Quantizable {
  const ir::Model& model;
  const stats::Statistics& statistics;
  const quant::Recipe& recipe;
  const quant::Decisions& decisions;  // by these three
};
// The recipe's decisions with these layers in float as well (by first output, with the reason).
quant::Decisions leaving(const Quantizable& q, const std::map<std::string, std::string>& left);

// Layers in 8 bits that could stay in float: those with weights, and products of computed operands.
std::vector<const quant::NodeDecision*> layers_of(const quant::Decisions& decisions);

struct LayerCost {
  const quant::NodeDecision* decision = nullptr;  // of Quantizable::decisions
  double alone_db = 0, without_db = 0;            // see tersor/search.h
};
struct Costs {
  std::vector<LayerCost> layers;  // in the order of layers_of()
  double all_db = 0;
  int64_t samples = 0;
};
// Of layers_of(). `open` gives the data, twice.
Costs layer_costs(const Quantizable& q,
                  const std::function<std::unique_ptr<calib::Dataset>()>& open,
                  const FormOptions& options);

}  // namespace tersor::eval
