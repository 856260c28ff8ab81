// Types of all values, those of bodies too.
#pragma once

#include "ir/model.h"

namespace tersor::passes {

// ops::infer_shapes, and the same for the bodies of If, Loop and Scan, as far as it holds in every
// iteration: of what a body is given only the element types count, of what it captures all that is
// known outside.
void infer_types(ir::Model& model);

}  // namespace tersor::passes
