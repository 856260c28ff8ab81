// -d and what says how its items become tensors.
#pragma once

#include "verb.h"

namespace tersor::cli {

struct DataOptions {
  Data data;
  bool given() const { return !data.path.empty(); }
};
void add_data(CLI::App& app, DataOptions& options, bool with_labels);

}  // namespace tersor::cli
