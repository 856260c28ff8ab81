// Brings a model to a newer version of the ONNX operators without changing what it computes.
#pragma once

#include <cstdint>
#include <string>

#include "ir/model.h"

namespace tersor::passes {

// The newest opset the table in raise_opset.cc knows.
inline constexpr int64_t kNewestOpset = 28;

struct Raised {
  bool done = false;
  int rewrites = 0;    // nodes converted
  std::string reason;  // if not done: the node and why; the model is then as it was
};
// All graphs of the model go to `version` (nothing happens if it is there already). Functions keep
// their own opsets. The IR version rises with it.
Raised raise_opset(ir::Model& model, int64_t version);

// The oldest IR version that may carry an opset.
int64_t ir_version_for(int64_t opset);

}  // namespace tersor::passes
