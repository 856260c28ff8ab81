// Between float32 and the 16-bit floats.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tersor/compare.h"
#include "tersor/data.h"
#include "tersor/model.h"

namespace tersor {

struct ConvertOptions {
  std::string to = "fp16";        // "fp16", "bf16" or "fp32"
  bool io = false;                // inputs and outputs change their type too
  bool storage_only = false;      // weights only, widened when the model is loaded
  bool naive = false;             // without a look at the numbers: to see what goes wrong
  std::vector<std::string> keep;  // node names or operators (globs) that stay in float32
  // How far the probability of a label may move; 0: 0.001 for fp16, 0.01 for bf16. With data, nodes
  // that cost more stay in float32; 1: none for that.
  double max_change = 0;
  int64_t samples = 50;           // of the data, for the ranges of values and the rounding
  int64_t verify = 50;            // other samples to compare on at the end; 0: no comparison
  int threads = 0;
  Progress progress;
};

// A node that stays in float32, and why.
struct KeptNode {
  std::string node, op, reason;
};

struct ConvertResult {
  explicit ConvertResult(Model converted_model) : model(std::move(converted_model)) {}
  Model model;
  std::vector<KeptNode> kept;
  int64_t converted = 0, casts = 0;      // nodes in half precision; Cast nodes added
  int64_t stored = 0;                    // weights that are halves in the file only
  std::optional<Comparison> comparison;  // with data only
  std::vector<Warning> warnings;
};

// Weights round to nearest, ties to even. With data, those of a layer make up for each other; nodes
// stay in float32 whose values do not fit the type, those that the results show to go wrong, and
// those that cost a classifier most; then both models are compared. From one
// 16-bit float to the other the way leads through float32. Errors: E50 a type that does not exist,
// options that contradict each other; E11 a model whose opset bfloat16 cannot reach; with data
// those of quantize().
ConvertResult convert(const Model& model, const std::optional<Data>& data,
                      const ConvertOptions& options = {});

}  // namespace tersor
