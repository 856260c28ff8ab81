// Steps between ONNX order and channels-last.
#pragma once

#include "runtime/step.h"

namespace tersor::engine {

// [N, C, spatial...] -> [N, spatial..., C], or back. A tensor with one channel or one pixel keeps
// its bytes.
runtime::Call convert_layout(bool to_channels_last, base::IsaSet isa);
Tensor to_rows(const Tensor& channels_last);

}  // namespace tersor::engine
