// Notes that a quantized model carries about itself, as metadata_props: no paths, no dates, at most
// 2 % of its tensors' bytes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quant/decisions.h"

namespace tersor::quant {

// The numbers of one stored value, as calibration saw it.
struct ValueNote {
  double min = 0, max = 0, clipped_share = 0;
};

struct Notes {
  std::string version, recipe;
  std::string source;  // digits of the float model's sha256
  std::string data, fingerprint;
  int64_t samples = 0;
  bool synthetic = false;
  std::vector<std::optional<ValueNote>> values;  // of values_of(model), in that order
  std::vector<std::optional<double>> layers;     // weight SQNR in dB of layers_of(model)
  std::map<std::string, std::string> kept;       // first output of a node in float -> reason
  bool changed = false;                          // read: the graph is not the one they are about
};

// What can be known before the model is written.
Notes make_notes(const ir::Model& quantized, const Decisions& decisions,
                 const stats::Statistics& statistics);
// Version and recipe always, then one after the other what fits.
void write_notes(ir::Model& model, const Notes& notes);
Notes read_notes(const ir::Model& model);

// Of the main graph, in order: the QuantizeLinear nodes of values that are computed, and the nodes
// that multiply with dequantized weights.
std::vector<ir::NodeId> values_of(const ir::Model& model);
std::vector<ir::NodeId> layers_of(const ir::Model& model);

}  // namespace tersor::quant
