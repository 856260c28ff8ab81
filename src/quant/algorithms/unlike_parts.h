// Parts of unlike size do not share one scale: a Concat of boxes (0..640) and scores (0..1) that
// are read apart again stays in float, and so does what follows until somebody quantizes for
// itself.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/analysis.h"
#include "stats/calibrator.h"

namespace tersor::quant {

// A part whose range is more than this many times narrower than that of the whole loses so much of
// its resolution that it is unlike the others.
constexpr float kUnlike = 8;

// Concat nodes that are quantized, and whose result no operator with weights reads as a whole: one
// that does needs one scale for it anyway.
std::vector<ir::NodeId> separable_concats(const ir::Model& model, const Analysis& analysis);

// Why those of them stay in float whose parts are unlike, by node. Observes the parts.
std::map<ir::NodeId, std::string> unlike_parts(const ir::Model& model, const Analysis& analysis,
                                               const stats::Statistics& statistics,
                                               const stats::Calibrator& calibrator);

}  // namespace tersor::quant
