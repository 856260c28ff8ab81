// A value of a run into its statistics, by all threads: private to the room.
#pragma once

#include "engine/session.h"
#include "stats/statistics.h"

namespace tersor::calib {

// How a value is looked at. `rows` samples lie along axis 0 of the model's inputs, the first
// `samples` of them count: where axis 0 of the value is as long, each is looked at by itself,
// otherwise all of it as one.
struct Watch {
  int axis = 0;  // see collect()
  bool histogram = true;
  int64_t rows = 1, samples = 1;
};
// The result does not depend on the number of threads.
void observe(const engine::TapView& view, const Watch& watch, stats::TensorStats& stats);

}  // namespace tersor::calib
