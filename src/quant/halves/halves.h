// Models in half precision, and back.
#pragma once

#include <string>
#include <vector>

#include "ir/model.h"
#include "stats/statistics.h"

namespace tersor::quant {

struct HalvesRecipe {
  DType to = DType::kFloat16;     // or kBfloat16
  bool io = false;                // inputs and outputs too
  bool storage_only = false;      // weights only, widened by Cast when the model is loaded
  bool naive = false;             // whatever it does to the numbers
  std::vector<std::string> keep;  // globs on node names or operator names
};

// A node that stays in float32.
struct FloatNode {
  std::string node, op, reason;
};

struct Halves {
  ir::Model model;
  std::vector<FloatNode> kept;
  int64_t converted = 0;  // nodes that compute in half precision
  int64_t casts = 0;      // Cast nodes added
};

// Every float32 value of every graph becomes a half, but what an operator's schema, its numbers or
// the user keep in float32; Casts stand between the two. `ranges`: of values by name, from data;
// may be empty. A value that reaches beyond the type's largest number, a constant that would become
// 0, and tiny values under a root, logarithm or division keep their nodes in float32, each with its
// reason (not if `naive`).
Halves to_halves(const ir::Model& model, const HalvesRecipe& recipe,
                 const stats::Statistics& ranges);
// The values whose ranges to_halves() asks for.
std::map<std::string, int> half_points(const ir::Model& model);
// Every half becomes float32, exactly. `io`: inputs and outputs too; otherwise they keep their
// types.
ir::Model to_float32(const ir::Model& model, bool io);

}  // namespace tersor::quant
