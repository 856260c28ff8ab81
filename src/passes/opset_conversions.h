// What changed in the meaning of the ONNX operators, from opset 7 on.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "passes/editor.h"

namespace tersor::passes {

struct Conversion {
  const char* op;
  int version;  // the opset that brought the new form
  // Brings node `n` from the form before `version` to the new one; or says why it cannot, and
  // changes nothing.
  std::optional<std::string> (*convert)(Editor& g, ir::NodeId n);
};

// The changes of form, those of one operator in rising order of versions.
std::span<const Conversion> conversions();
// Whether the operator of ai.onnx is one whose changes from opset 7 to kNewestOpset are all in
// conversions(): any other change allows more types, or adds an attribute or input whose absence
// means what it was.
bool is_known_operator(std::string_view op);

}  // namespace tersor::passes
