// Sessions as this room runs them: private to it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "calib/dataset.h"
#include "engine/session.h"

namespace tersor::eval {

// `keep`: values that taps look at.
std::unique_ptr<engine::Session> session_of(const ir::Model& model, std::set<std::string> keep,
                                            int threads);
// The tensors of a batch, in the order of the model's inputs; the batch keeps none.
std::vector<Tensor> take_inputs(calib::Batch& batch);

}  // namespace tersor::eval
