// The calibration run: samples through the engine, values into statistics.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "calib/dataset.h"
#include "ir/model.h"
#include "stats/statistics.h"

namespace tersor::calib {

// Called with the samples done and how many there will be; false stops the work.
using Advance = std::function<bool(int64_t done, int64_t total)>;

struct CollectOptions {
  int threads = 0;    // 0: one per core
  int64_t batch = 16;  // samples at once, at most, where the model lets it
  Advance advance = {};
  bool keep_interrupted = false;  // when `advance` says stop, give what was gathered
  bool histograms = true;
  bool unload = false;  // deferred weights give their memory back: nobody else looks at the model
};

struct Collected {
  stats::Statistics statistics;
  std::vector<Warning> warnings;
  bool interrupted = false;
};

// Runs every sample of `data` through `model` and observes the values named in `points` in one
// pass; the number says of which axis the mean of each channel is taken too: 1 or -1 (the last), 0:
// none. Memory does not grow with the number of samples. Throws what compiling, running and reading
// throw; kInterrupted when `advance` says so (unless that shall be kept).
Collected collect(const ir::Model& model, const std::map<std::string, int>& points, Dataset& data,
                  const CollectOptions& options = {});

// The kInterrupted Error.
[[noreturn]] void fail_interrupted();

}  // namespace tersor::calib
