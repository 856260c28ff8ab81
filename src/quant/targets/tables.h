// The tables, one file each: private to the room.
#pragma once

#include "quant/targets/target.h"

namespace tersor::quant {

extern const Target kAny, kOnnxRuntime, kOpenVino, kTensorRt, kTersor, kTersorAvx2;

}  // namespace tersor::quant
