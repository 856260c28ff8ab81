// How a model becomes int8: what the verbs that quantize share.
#pragma once

#include "data_options.h"

namespace tersor::cli {

struct RecipeOptions {
  DataOptions data;
  QuantizeOptions quantize;
  std::string stats;
  bool per_tensor = false;
};
void add_recipe(CLI::App& app, RecipeOptions& options);
// Completes `options.quantize`; an Error for what does not exist, statistics that cannot be read
// included.
void finish_recipe(RecipeOptions& options, const Common& common);

}  // namespace tersor::cli
