// The verdict: two models on the same samples.
#pragma once

#include "calib/collect.h"
#include "ir/model.h"
#include "tersor/compare.h"

namespace tersor::eval {

// Outputs of the original, kept from one comparison on the same data for the next: of the first
// batches, as many as there is memory for.
struct Remembered {
  size_t most_bytes = size_t{256} << 20, bytes = 0;
  std::vector<std::vector<Tensor>> batches;
};

struct Options {
  int threads = 0;
  bool layers = false;
  int64_t keep_samples = 20;
  int64_t most_changed = 0;
  std::vector<std::string> fail_if;
  calib::Advance advance;
  Remembered* remembered = nullptr;  // not with `layers`
};
// Runs both models on every sample of `data`. Layers as common_layers() finds them. E26 if inputs
// or outputs do not fit; E50 for a condition that cannot be read or checked, after the first
// samples.
Comparison compare(const ir::Model& original, const ir::Model& compressed, calib::Dataset& data,
                   const Options& options);
// E22 if the data have no labels, or the model no class output.
Evaluation evaluate(const ir::Model& model, calib::Dataset& data, const Options& options);

}  // namespace tersor::eval
