// What quantization decides, as data: value -> format, scale, zero point, reason.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/model.h"
#include "stats/calibrator.h"
#include "stats/statistics.h"

namespace tersor::quant {

struct Recipe {
  stats::Calibrator calibrator;
  bool per_channel = true;
  std::vector<std::string> keep;  // globs on node names or operator names
};

// How a value is stored in 8 bits.
struct Format {
  DType dtype = DType::kUint8;
  QuantParams params;
  stats::Range range;  // covered
  bool operator==(const Format&) const = default;
};

// A node that will read (and, if `output`, write) 8-bit values.
struct NodeDecision {
  std::string node, op, output;
  bool quantized = false;
  bool weighted = false;
  std::string reason;                    // of float
  std::vector<bool> inputs;              // which inputs get Q/DQ
  bool quantize_output = false;
  std::optional<double> weight_sqnr_db;
};

struct Decisions {
  std::map<std::string, Format> activations;  // by value name
  std::vector<NodeDecision> nodes;            // in graph order; operators that take part
};

// The values whose statistics decide() needs, by name: what algorithms observe.
std::set<std::string> points(const ir::Model& model, const Recipe& recipe);
// `model`: simplified, with types inferred. Pure: no data is touched, nothing runs.
Decisions decide(const ir::Model& model, const stats::Statistics& statistics, const Recipe& recipe);
// The model with QuantizeLinear and DequantizeLinear as the decisions say. Needs opset 13 or more where weights are per
// channel (10 otherwise).
ir::Model apply(const ir::Model& model, const Decisions& decisions, const Recipe& recipe);

// Asymmetric unsigned 8 bits over a range that contains zero; zero is exactly representable.
Format asymmetric_u8(const stats::Range& range);
// '*' and '?' match as in file names.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace tersor::quant
