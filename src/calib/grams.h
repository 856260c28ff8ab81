// A second run over data: what goes into the layers of a quantized model, as second moments.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "calib/collect.h"
#include "calib/dataset.h"
#include "ir/model.h"
#include "stats/gram.h"

namespace tersor::calib {

// The moments of the rows that a layer multiplies its filters with (ops/patches.h), one matrix for
// each group: of the centred 8-bit codes, and a last column of ones, which counts and sums.
using LayerGrams = std::vector<stats::Gram>;

struct GramOptions {
  int threads = 0;
  int64_t rows = 32768;  // of all samples, about: each gives some, spread evenly
  Advance advance = {};
};

// `layers`: names of first outputs of nodes of `quantized` (or what dequantizes them), whose input
// 0 is dequantized from 8 bits and whose weights ops::filters_of knows; others are left out. The
// result depends on the samples only. Throws as collect() does.
std::map<std::string, LayerGrams> collect_grams(const ir::Model& quantized,
                                                const std::set<std::string>& layers, Dataset& data,
                                                const GramOptions& options = {});

}  // namespace tersor::calib
