#pragma once

#include "tersor/dtype.h"  // the public header is the whole of it
