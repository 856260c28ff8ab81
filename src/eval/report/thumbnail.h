// A small picture of what a model saw.
#pragma once

#include <optional>
#include <vector>

#include "tensor/tensor.h"
#include "tersor/compare.h"

namespace tersor::eval {

// Of sample `item` of a batch: the first input that looks like pictures, [N, 1 or 3, H, W] or
// [N, H, W, 1 or 3] with H and W of at least 8, each channel stretched to 0..255, at most 40 pixels
// wide and high. nullopt if there is none.
std::optional<Picture> thumbnail(const std::vector<Tensor>& inputs, int64_t item);

}  // namespace tersor::eval
