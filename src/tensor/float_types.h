#pragma once

#include "tersor/float_types.h"  // the public header is the whole of it
