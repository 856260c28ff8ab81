// Half the size on disk, computed in float32: private to the room.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ir/model.h"

namespace tersor::quant {

struct Stored {
  int64_t weights = 0;  // each widened by a Cast, which runtimes fold when they load
  std::vector<std::pair<std::string, std::string>> left;  // weights in float32 still, and why
};
// Initializers of 16 numbers and more become halves, in all graphs, but for biases; a weight beyond
// the type's largest number stays.
Stored narrow_storage(ir::Model& model, DType half);

}  // namespace tersor::quant
