// The search for layers to leave in float, on the user's data: inside api/ only.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "eval/sensitivity.h"
#include "tersor/quantize.h"

namespace tersor::api {

struct Searched {
  Search search;
  std::map<std::string, std::string> left;  // for quant::Recipe
  std::optional<Comparison> comparison;     // of the mix that was chosen
};
// E50 for a goal that cannot be read or measured on these data. When time is over or
// `options.progress` says stop, the best so far; also where a score fails, unless it is that of the
// original or of the first mix.
Searched search_mix(const Model& original, const eval::Quantizable& q, const Data& unseen,
                    const QuantizeOptions& options);

}  // namespace tersor::api
