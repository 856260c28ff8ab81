// What was done to a quantized model, and why: from its graph, and from the notes that tersor wrote
// into it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tersor/model.h"

namespace tersor {

// A value that is stored in 8 bits (or other integers).
struct ValueExplanation {
  std::string tensor, node, op;  // the node that makes it; empty for an input
  std::string dtype;             // "uint8"
  double scale = 0;
  int64_t zero_point = 0;
  double lo = 0, hi = 0;  // what its codes cover
  std::string why;
  std::optional<double> min, max, clipped_share;  // from the notes: as calibration saw it
};

// An operator that multiplies with constant weights.
struct LayerExplanation {
  std::string node, op;
  bool quantized = false;
  std::string weights;                   // "int8, 64 scales along axis 0", "float32"
  std::string bias;                      // "int32", "float32", or empty
  std::optional<double> weight_sqnr_db;  // from the notes
  std::string reason;                    // of layers in float, from the notes
};

struct Explanation {
  // From the notes; empty in a model that tersor did not make.
  std::string version, recipe;
  std::string source;       // first digits of the sha256 of the float model's file
  std::string data;         // "resize 256, crop 224, ImageNet mean/std"
  std::string fingerprint;  // of the statistics of the calibration data
  int64_t samples = 0;
  bool synthetic = false;
  bool changed = false;  // values or layers were changed after the notes were written
  std::vector<ValueExplanation> values;  // in graph order
  std::vector<LayerExplanation> layers;
};

Explanation explain(const Model& model);

}  // namespace tersor
