// Whether a model computes each sample of a batch by itself, so that a batch may be run in pieces:
// small enough for the caches, one to a thread.
#pragma once

#include "engine/plan.h"
#include "ir/model.h"

namespace tersor::engine {

// Samples of a piece: `best` where there are enough of them, and no fewer than `least` for the sake
// of giving each thread one. Both 0 if the model's samples are not known to be independent: all
// inputs have one symbolic first dimension, and every node keeps item n along its first axis a
// function of item n of what it reads. Shapes of `model` are inferred.
PieceSizes piece_sizes(const ir::Model& model);

}  // namespace tersor::engine
