// The types of all graphs of a model, changed: private to the room.
#pragma once

#include <string>
#include <vector>

#include "quant/halves/halves.h"

namespace tersor::quant {

struct Narrowed {
  std::vector<FloatNode> kept;
  std::vector<std::string> unmatched;  // globs of the recipe that no node matches
  int64_t converted = 0, casts = 0;
};
// Every float32 value becomes a half but what has to stay; Casts stand between the two. Expects the
// types that passes::infer_types gives, and no functions.
Narrowed narrow_graphs(ir::Model& model, const HalvesRecipe& recipe,
                       const stats::Statistics& ranges);

}  // namespace tersor::quant
