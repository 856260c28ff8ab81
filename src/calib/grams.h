// Another run over data: what goes into the layers of a model, as second moments.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "calib/collect.h"
#include "calib/dataset.h"
#include "ir/model.h"
#include "stats/gram.h"
#include "stats/moments.h"

namespace tersor::calib {

// The moments of the rows that a layer multiplies its filters with (ops/patches.h), one matrix for
// each group: of the centred 8-bit codes, and a last column of ones, which counts and sums.
using LayerGrams = std::vector<stats::Gram>;
// The same of floats.
using LayerMoments = std::vector<stats::Moments>;

struct GramOptions {
  int threads = 0;
  int64_t rows = 32768;             // of all samples, about: each gives some, spread evenly
  int64_t rows_per_weight = 32768;  // no more than this for each weight of a filter
  Advance advance = {};
};

// `layers`: names of first outputs of nodes of `quantized` (or what dequantizes them), whose input
// 0 is dequantized from 8 bits and whose weights ops::filters_of knows; others are left out. The
// result depends on the samples only. Throws as collect() does.
std::map<std::string, LayerGrams> collect_grams(const ir::Model& quantized,
                                                const std::set<std::string>& layers, Dataset& data,
                                                const GramOptions& options = {});
// `layers`: names of first outputs of nodes with constant weights that ops::filters_of knows and
// float32 inputs.
std::map<std::string, LayerMoments> collect_moments(const ir::Model& model,
                                                    const std::set<std::string>& layers,
                                                    Dataset& data, const GramOptions& options = {});

}  // namespace tersor::calib
