#include "quant/algorithms/unlike_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace tersor::quant {
namespace {

using ir::kNone;

bool takes_apart(const ir::Node& node) {
  constexpr std::array<std::string_view, 4> kOps{"Split", "Slice", "Gather", "GatherND"};
  return std::ranges::find(kOps, node.op) != kOps.end();
}

bool read_as_a_whole(const ir::Graph& g, const std::vector<std::vector<ir::NodeId>>& readers,
                     const Analysis& a, ir::ValueId joined) {
  std::vector<ir::ValueId> open{joined};
  std::vector<bool> seen(g.values.size(), false);
  while (!open.empty()) {
    const ir::ValueId v = open.back();
    open.pop_back();
    if (seen[v]) continue;
    seen[v] = true;
    for (ir::NodeId n : readers[v]) {
      const Role& role = a.nodes[n];
      if (!role.op || !role.quantized) continue;
      if (role.weighted) return true;
      if (role.op->traits.quant == ops::QuantClass::kMoves && !takes_apart(g.nodes[n]))
        for (ir::ValueId out : g.nodes[n].outputs)
          if (out != kNone) open.push_back(out);
    }
  }
  return false;
}

}  // namespace

std::vector<ir::NodeId> separable_concats(const ir::Model& model, const Analysis& a) {
  const ir::Graph& g = model.graph;
  const auto readers = g.consumers();
  std::vector<ir::NodeId> found;
  for (size_t n = 0; n < g.nodes.size(); ++n)
    if (a.nodes[n].quantized && g.nodes[n].op == "Concat" &&
        !read_as_a_whole(g, readers, a, g.nodes[n].outputs[0]))
      found.push_back(static_cast<ir::NodeId>(n));
  return found;
}

std::map<ir::NodeId, std::string> unlike_parts(const ir::Model& model, const Analysis& a,
                                               const stats::Statistics& statistics,
                                               const stats::Calibrator& calibrator) {
  const ir::Graph& g = model.graph;
  std::map<ir::NodeId, std::string> reasons;
  for (ir::NodeId n : separable_concats(model, a)) {
    std::optional<stats::Range> narrow, wide;
    const auto width = [](const stats::Range& r) { return r.hi - r.lo; };
    stats::Range whole;
    for (ir::ValueId v : g.nodes[n].inputs) {
      if (v == kNone || g.constant(v)) continue;
      const auto seen = statistics.tensors.find(g.values[a.head[v]].name);
      if (seen == statistics.tensors.end()) continue;
      const stats::Range r = stats::choose_range(seen->second, calibrator);
      if (!(width(r) > 0)) continue;
      if (!narrow || width(r) < width(*narrow)) narrow = r;
      if (!wide || width(r) > width(*wide)) wide = r;
      whole = {std::min(whole.lo, r.lo), std::max(whole.hi, r.hi)};
    }
    if (narrow && width(whole) / kUnlike > width(*narrow))
      reasons[n] = fmt::format(
          "its parts are of unlike size, [{:.3g}, {:.3g}] and [{:.3g}, {:.3g}], and read apart",
          narrow->lo, narrow->hi, wide->lo, wide->hi);
  }
  return reasons;
}

}  // namespace tersor::quant
