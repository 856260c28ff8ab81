// What each runtime accepts of a quantized model, as data: one table per runtime, read by decide()
// and apply() when a model is made for it, and by check() when somebody's model shall run on it.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/model.h"
#include "tensor/dtype.h"

namespace tersor::quant {

enum class Severity : uint8_t {
  kRefused,  // the runtime does not load it, or answers wrong
  kSlow,     // it runs, but in float, or slower than it could
};

// One place where a model breaks a rule of a target.
struct Finding {
  std::string rule;  // "zero-point"
  Severity severity = Severity::kRefused;
  std::string node, op, tensor;  // a node without a name is called as its first output
  std::string what, todo;        // sentences
};

class GraphView;
struct Target;

// Where the findings of one rule are put down.
class Findings {
 public:
  Findings(std::string_view rule, Severity severity, std::vector<Finding>& list)
      : rule_(rule), severity_(severity), list_(list) {}
  void add(const GraphView& view, const ir::Node& node, ir::ValueId tensor, std::string what,
           std::string todo);

 private:
  std::string_view rule_;
  Severity severity_;
  std::vector<Finding>& list_;
};

struct Rule {
  const char* id;
  const char* summary;  // what holds in a model that keeps it
  void (*check)(const GraphView& view, const Target& target, Findings& findings);
};
struct TargetRule {
  const Rule* rule;
  Severity severity;
};

struct Target {
  const char* name;   // as given to --target
  const char* label;  // as its makers write it

  // What is made for it.
  DType activation = DType::kUint8;  // of stored activations; kInt8 is symmetric, zero point 0
  bool quantizes_bias = true;        // biases are int32 behind a DequantizeLinear, not floats
  bool conv_needs_output = true;     // a Conv runs in 8 bits only if its output is quantized
  // Only a range that starts at zero makes a Relu or Clip part of the rounding before it.
  bool clips_from_zero = true;
  // Both operands of an Add behind a Conv are quantized, even where its result stays float.
  bool quantizes_residual_adds = false;
  // Readers in float read the value itself, not what its codes stand for; graph outputs stay float.
  bool keeps_float_readers = false;
  // So many products of uint8 and int8 are added in 16 bits: weights stay where that cannot
  // overflow (saturation.h). 1: it does not matter.
  int adds = 1;
  // Where it can, sums are wrong, not slow.
  bool saturates() const noexcept { return adds == 2; }
  // Weights of 4 bits go with activations of 8.
  bool mixes_int4 = true;
  // Operators that it has 8-bit forms of; null: as tersor's traits say.
  const std::set<std::string_view>* operators = nullptr;

  // What is accepted from others.
  int64_t min_opset = 10, max_opset = 28;
  std::span<const DType> activation_types, weight_types;
  std::span<const TargetRule> rules = {};
};

// Whether the same values are stored in 8 bits for both.
bool stores_alike(const Target& a, const Target& b);

// "any", "onnxruntime", "openvino", "tensorrt", "tersor", "tersor-avx2". E50 otherwise, with the
// names.
const Target& find_target(std::string_view name);
std::span<const Target* const> all_targets();
// Those of onnxruntime, OpenVINO and tersor, each once, for "any".
std::vector<TargetRule> rules_of(const Target& target);

// Every place where the model, subgraphs included, breaks a rule of the target; rules in the order
// of the table, nodes in that of the graph. Needs no inferred types, but sees more with them.
std::vector<Finding> check(const ir::Model& model, const Target& target);

// E32 (kUnsupported) if the target does not read the opset of a model, and a lower one is needed.
void check_opset(const ir::Model& model, const Target& target);
// E33 (kUnsupported) if the target does not take weights of this type beside 8-bit activations.
void check_weight_type(DType weights, const Target& target);

}  // namespace tersor::quant
