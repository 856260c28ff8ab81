// Pictures that are read in another way than the model was trained on: inside api/ only.
#pragma once

#include <optional>

#include "tersor/data.h"
#include "tersor/model.h"

namespace tersor::api {

// W36 if the model's own evidence speaks clearly for another range, mean or order of channels, with
// the flags to pass. Pictures only, and models of one input. `answers`: as eval::InputFit::of.
std::optional<Warning> check_inputs(const Model& original, const Data& data, bool answers,
                                    int threads);

}  // namespace tersor::api
