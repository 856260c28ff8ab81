// What quantization decides, as data: value -> format, scale, zero point, reason.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/model.h"
#include "quant/targets/target.h"
#include "stats/calibrator.h"
#include "stats/statistics.h"

namespace tersor::quant {

struct Recipe {
  stats::Calibrator calibrator;
  bool per_channel = true;
  bool bias_correct = true;      // biases make up for the mean error of rounded weights
  DType weights = DType::kInt8;  // or kInt4
  // How weights are rounded by what they do to the output of their layer (lattice.h): each makes up
  // for those before it; each goes to where that is least.
  bool gptq = false, adaround = false;
  std::vector<std::string> keep = {};  // globs on node names or operator names
  const Target* target = &find_target("any");
  std::map<std::string, std::string> left = {};  // stay in float: first output -> reason

  bool learns() const noexcept { return gptq || adaround; }
};

// How a value is stored in 8 bits, or weights in 4.
struct Format {
  DType dtype = DType::kUint8;
  QuantParams params;
  stats::Range range;  // covered; of activations
  bool operator==(const Format&) const = default;
};

// What becomes of one node whose operator has an 8-bit form.
struct NodeDecision {
  std::string node, op, output;  // names; the output identifies the node
  bool weighted = false;
  bool quantized = false;        // reads 8-bit values
  std::string reason;            // why it stays in float
  std::vector<bool> inputs;      // which inputs are read in 8 bits
  std::optional<Format> weight;  // of input 1 of weighted nodes
  Tensor codes;                  // int8, where they are not just the nearest ones
  std::optional<double> weight_sqnr_db;
  std::vector<float> bias;  // corrected; empty: as the model has it
};

struct Decisions {
  // Values stored in 8 bits, by name. An activation behind a Conv, Gemm or Add stands for the sum
  // before it.
  std::map<std::string, Format> activations;
  std::map<std::string, std::string> why;  // of activations
  std::vector<NodeDecision> nodes;         // in graph order
  const Target* target = &find_target("any");
};

// The values whose statistics decide() needs, by name: what calibration observes. The number says
// of which axis the mean of each channel is needed too: 1 or -1 (the last), 0: none.
std::map<std::string, int> points(const ir::Model& model, const Recipe& recipe);
// `model`: simplified, with types inferred. Pure: no data is touched, nothing runs. A value without
// statistics stays in float, and so does what depends on it. `known`: decisions by the same
// statistics and a recipe that differs in `keep` and `left` alone; what they say of a value or of
// weights is taken over instead of being computed again. The threads (0: one per core) change
// nothing.
Decisions decide(const ir::Model& model, const stats::Statistics& statistics, const Recipe& recipe,
                 const Decisions* known = nullptr, int threads = 1);
// The model with QuantizeLinear and DequantizeLinear as the decisions say: every value of
// `activations` is quantized once, to `<name>_q`, and dequantized for each reader of its own;
// weights are int8 or int4 and biases int32 initializers. Needs opset 21 for int4, 13 where weights
// are per channel (10 otherwise).
ir::Model apply(const ir::Model& model, const Decisions& decisions);

// Bytes of the weight and the bias of a node, and what they take as decided, with their scales.
struct WeightBytes {
  uint64_t before = 0, after = 0;
};
WeightBytes weight_bytes(const ir::Graph& graph, const ir::Node& node, const NodeDecision& decision,
                         const Target& target);

// E14 (kInput) if weights of a layer that could be quantized are not all finite; names the tensor.
void check_weights(const ir::Model& model, int threads = 1);

// True if the model holds QuantizeLinear, DequantizeLinear or an operator that computes on
// quantized values; counts them.
int64_t quantize_nodes(const ir::Model& model);

}  // namespace tersor::quant
