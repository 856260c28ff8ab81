// Models in half precision, and back.
#pragma once

#include <map>
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
  // Nodes that were seen to go wrong, by the values they make, with the reason.
  std::map<std::string, std::string> measured = {};
};

// A node that stays in float32.
struct FloatNode {
  std::string node, op, reason;
};

struct Halves {
  ir::Model model;
  DType to = DType::kFloat16;
  std::vector<FloatNode> kept;
  int64_t converted = 0;               // nodes that compute in half precision
  int64_t casts = 0;                   // Cast nodes added
  int64_t stored = 0;                  // weights that are halves in the file only
  std::vector<std::string> unmatched;  // globs of the recipe that no node matches
};

// Every float32 value of every graph becomes a half, but what an operator's schema, its numbers or
// the user keep in float32; Casts stand between the two. `ranges`: of values by name, from data;
// may be empty. A value that reaches beyond the type's largest number, a constant that would become
// 0, and tiny values under a root, logarithm or division keep their nodes in float32, each with its
// reason (not if `naive`).
Halves to_halves(const ir::Model& model, const HalvesRecipe& recipe,
                 const stats::Statistics& ranges);
// Whether a graph of the model declares values or holds constants of that type.
bool has(const ir::Model& model, DType type);
// The values whose ranges to_halves() asks for.
std::map<std::string, int> half_points(const ir::Model& model);

// What to add to HalvesRecipe::measured after a run of both models. `errors`: of values of the main
// graph, rms error / rms of the original, infinite where only the converted one is not finite.
// To blame for an output beyond tolerance() is a node before it whose result is off far more than
// what it is given; if that node is in float32 already, those that make its inputs. If no node
// stands out, the error has added up, and the nodes are to blame from where it is a quarter of
// that. Empty if nothing is left to blame.
std::map<std::string, std::string> blamed(const ir::Model& original, const Halves& converted,
                                          const std::map<std::string, double>& errors);
// The error of an output from which on somebody is to blame.
double tolerance(DType half);

// Every half becomes float32, exactly. `io`: inputs and outputs too; otherwise they keep their
// types.
ir::Model to_float32(const ir::Model& model, bool io);

}  // namespace tersor::quant
