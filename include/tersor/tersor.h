// Everything of tersor's library.
#pragma once

#include "tersor/compare.h"
#include "tersor/convert.h"
#include "tersor/data.h"
#include "tersor/error.h"
#include "tersor/explain.h"
#include "tersor/model.h"
#include "tersor/quantize.h"
#include "tersor/report.h"
#include "tersor/search.h"
#include "tersor/session.h"
#include "tersor/statistics.h"
#include "tersor/targets.h"
#include "tersor/tensor.h"
