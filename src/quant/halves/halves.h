// Models in half precision, and back.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/model.h"
#include "stats/moments.h"
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
  std::set<std::string> stored = {};  // of these, those whose weights are halves in the file still
};

// A node that stays in float32.
struct FloatNode {
  std::string node, op, reason;
  std::string output = {};  // the first; empty for what is no node
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

// What a node alone does to the outputs when it computes in half precision.
struct HalfCost {
  std::string output;  // the node's first
  double noise = 0;    // mean square of the change of the worst output / that of the output
  int64_t bytes = 0, work = 0;  // of its weights in half precision; multiplications
};
struct Costly {
  std::map<std::string, std::string> nodes;  // by first output, the reason
  std::set<std::string> stored;  // of these, those whose weights had better stay halves in the file
};
// Whom to leave in float32 so that what is left of the noise is a `share` of it or less: those that
// bring most for little, as long as the file and the time stay those of a model in half precision.
Costly costly(std::vector<HalfCost> costs, DType half, double share);
// How far the probability of a label may move where nobody says so.
double largest_change(DType half);

// Weights of a layer on the grid of a 16-bit float, as float32, and a bias that goes with them.
struct LearnedWeights {
  Tensor weight;
  std::optional<Tensor> bias;
};
// First outputs of the nodes whose weights learn_halves() can round: those of the main graph whose
// weight fits the type and is read by nobody else, with filters of at most 6144 numbers.
std::set<std::string> half_rounding_points(const ir::Model& model, DType half);
// Rounds the weights of these layers so that what they give, not each weight, comes out as close as
// it can (algorithms/rounding/lattice.h): they make up for each other. A bias that stays float32
// takes up the mean of what is left; one that is a half itself is rounded first, and the weights
// make up for that too. `moments`: by first output, of each group, a last column of ones
// (calib/grams.h). No filter comes out worse than by rounding to nearest. The result does not
// depend on the number of threads (0: one per core).
std::map<std::string, LearnedWeights> learn_halves(
    const ir::Model& model, DType half,
    const std::map<std::string, std::vector<stats::Moments>>& moments, bool float_bias,
    int threads = 0);
ir::Model with_weights(const ir::Model& model,
                       const std::map<std::string, LearnedWeights>& learned);

// Every half becomes float32, exactly. `io`: inputs and outputs too; otherwise they keep their
// types.
ir::Model to_float32(const ir::Model& model, bool io);

}  // namespace tersor::quant
