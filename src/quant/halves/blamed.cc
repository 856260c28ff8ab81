#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "quant/halves/halves.h"

namespace tersor::quant {
namespace {

// One rounding, and how many times the error of the inputs an ordinary node may have.
double rounding(DType half) { return half == DType::kFloat16 ? 0x1p-11 : 0x1p-8; }
constexpr double kOrdinary = 5;

class Blame {
 public:
  Blame(const ir::Graph& g, const Halves& converted, const std::map<std::string, double>& errors)
      : g_(g), half_(converted.to), errors_(errors), producers_(g.producers()) {
    for (const FloatNode& n : converted.kept) kept_.insert(n.node);
    find_guilty();
  }

  std::map<std::string, std::string> run() {
    for (size_t n = 0; n < g_.nodes.size(); ++n)
      if (guilty_[n]) judge(g_.nodes[n]);
    if (found_.empty())
      for (size_t n = 0; n < g_.nodes.size(); ++n)
        if (guilty_[n]) judge_sum(g_.nodes[n]);
    return std::move(found_);
  }

 private:
  // The nodes before outputs that are off.
  void find_guilty() {
    guilty_.assign(g_.nodes.size(), false);
    std::vector<ir::ValueId> open;
    for (ir::ValueId id : g_.outputs)
      if (error(id) > tolerance(half_)) open.push_back(id);
    while (!open.empty()) {
      const ir::ValueId id = open.back();
      open.pop_back();
      const ir::NodeId n = id == ir::kNone ? ir::kNone : producers_[id];
      if (n == ir::kNone || guilty_[n]) continue;
      guilty_[n] = true;
      open.insert(open.end(), g_.nodes[n].inputs.begin(), g_.nodes[n].inputs.end());
    }
  }

  double error(ir::ValueId id) const {
    const auto it = id == ir::kNone ? errors_.end() : errors_.find(g_.values[id].name);
    return it == errors_.end() ? 0.0 : it->second;
  }
  double error(const std::vector<ir::ValueId>& ids) const {
    double most = 0;
    for (ir::ValueId id : ids) most = std::max(most, error(id));
    return most;
  }
  std::string name_of(const ir::Node& node) const {
    if (!node.name.empty()) return node.name;
    for (ir::ValueId id : node.outputs)
      if (id != ir::kNone) return g_.values[id].name;
    return {};
  }
  void add(const ir::Node& node, const std::string& reason) {
    for (ir::ValueId id : node.outputs)
      if (id != ir::kNone) found_.emplace(g_.values[id].name, reason);
  }

  void judge(const ir::Node& node) {
    const double out = error(node.outputs), in = std::max(error(node.inputs), rounding(half_));
    if (!(out > tolerance(half_)) || out <= kOrdinary * in) return;
    const std::string name = name_of(node);
    if (!kept_.contains(name))
      return add(node, std::isfinite(out)
                           ? fmt::format("its result is off by {:.2g} of its size in {}", out,
                                         tensor::name(half_))
                           : fmt::format("its result is not finite in {}", tensor::name(half_)));
    for (ir::ValueId id : node.inputs)
      if (id != ir::kNone && producers_[id] != ir::kNone && error(id) > 0 &&
          !kept_.contains(name_of(g_.nodes[producers_[id]])))
        add(g_.nodes[producers_[id]],
            fmt::format("{} needs more digits of value {} than {} has", base::quoted(name),
                        base::quoted(g_.values[id].name), tensor::name(half_)));
  }

  void judge_sum(const ir::Node& node) {
    constexpr double kShare = 0.25;
    const double out = error(node.outputs);
    if (out > kShare * tolerance(half_) && !kept_.contains(name_of(node)))
      add(node, fmt::format("rounding to {} has added up to {:.2g} of its size here",
                            tensor::name(half_), out));
  }

  const ir::Graph& g_;
  DType half_;
  const std::map<std::string, double>& errors_;
  std::vector<ir::NodeId> producers_;
  std::vector<bool> guilty_;
  std::set<std::string> kept_;
  std::map<std::string, std::string> found_;
};

}  // namespace

double tolerance(DType half) { return half == DType::kFloat16 ? 0.01 : 0.08; }

std::map<std::string, std::string> blamed(const ir::Model& original, const Halves& converted,
                                          const std::map<std::string, double>& errors) {
  return Blame(original.graph, converted, errors).run();
}

}  // namespace tersor::quant
