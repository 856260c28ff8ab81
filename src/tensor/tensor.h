#pragma once

#include "base/checked.h"
#include "tersor/tensor.h"  // the public header is the whole of it
