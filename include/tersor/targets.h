// What other runtimes accept of a quantized model.
#pragma once

#include <string>
#include <vector>

#include "tersor/model.h"

namespace tersor {

// A rule of a target.
struct TargetRule {
  std::string id;        // "zero-point"
  std::string severity;  // "refused": not loaded, or wrong answers; "slow": in float, or slower
  std::string summary;   // what holds in a model that keeps it
};

// One place where a model breaks a rule.
struct Finding {
  std::string rule, severity;
  std::string node, op, tensor;  // a node without a name is called as its first output
  std::string what, todo;
};

// "any", "onnxruntime", "openvino", "tensorrt", "tersor", "tersor-avx2".
std::vector<std::string> target_names();
// In the order they are checked; "any" has those of onnxruntime, OpenVINO and tersor. E50 for an
// unknown target.
std::vector<TargetRule> target_rules(const std::string& target);
// Rules in that order, nodes in the order of the graph. Empty: the target runs the model as
// quantized.
std::vector<Finding> check_target(const Model& model, const std::string& target);

struct RetargetResult {
  explicit RetargetResult(Model moved_model) : model(std::move(moved_model)) {}
  Model model;
  int64_t values = 0;  // stored in 8 bits
  int64_t moved = 0;   // formats that got another type and zero point, for the same numbers
  int64_t biases = 0;  // that were floats and are rounded, by half a unit of the sums at most
};

// A quantized model for another target, without calibrating again: the same scales, so that it
// computes the same. E33 says why where that cannot be; E34 if the model is not quantized.
RetargetResult retarget(const Model& model, const std::string& target);

}  // namespace tersor
