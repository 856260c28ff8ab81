#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/error.h"
#include "quant/algorithms/bias_correction.h"
#include "quant/algorithms/outliers.h"
#include "quant/algorithms/unlike_parts.h"
#include "quant/analysis.h"
#include "quant/formats/int8.h"
#include "quant/formats/saturation.h"
#include "runtime/tasks.h"
#include "stats/difference.h"

namespace tersor::quant {
namespace {

std::optional<std::pair<float, float>> fixed_range(const Analysis& a, ir::NodeId maker) {
  if (maker == ir::kNone || !a.nodes[maker].op) return {};
  return a.nodes[maker].op->traits.fixed_range;
}

// Formats of values by what calibration saw of them, each found once: of the known decisions where
// they have it.
class Formats {
 public:
  Formats(const ir::Graph& g, const stats::Statistics& statistics, const Recipe& recipe,
          const Decisions* known)
      : g_(g), statistics_(statistics), recipe_(recipe), known_(known), made_(g.producers()) {}

  bool is_known(ir::ValueId head) const {
    return known_ && known_->activations.contains(g_.values[head].name);
  }
  ir::NodeId maker(ir::ValueId id) const { return made_[id]; }
  const Format& of(const Analysis& a, ir::ValueId head) {
    if (is_known(head)) return known_->activations.at(g_.values[head].name);
    const bool symmetric = recipe_.target->activation == DType::kInt8 || a.symmetric.contains(head);
    const auto [it, is_new] = found_.try_emplace({head, symmetric});
    if (is_new) it->second = find(a, head, symmetric);
    return it->second;
  }

 private:
  Format find(const Analysis& a, ir::ValueId head, bool symmetric) const {
    stats::Range range =
        stats::choose_range(statistics_.tensors.at(g_.values[head].name), recipe_.calibrator,
                            symmetric ? stats::Levels::kSymmetric : stats::Levels::kAsymmetric);
    if (made_[head] != ir::kNone) {
      // What the operator cannot give need not be covered.
      auto bounds = clip_bounds(g_, g_.nodes[made_[head]]);
      if (const auto fixed = fixed_range(a, made_[head]); !bounds && fixed)
        bounds = stats::Range{fixed->first, fixed->second};
      if (bounds)
        range = {std::max(range.lo, std::min(bounds->lo, 0.0F)),
                 std::min(range.hi, std::max(bounds->hi, 0.0F))};
    }
    return symmetric ? symmetric_s8(range) : activation_format(range, *recipe_.target);
  }

  const ir::Graph& g_;
  const stats::Statistics& statistics_;
  const Recipe& recipe_;
  const Decisions* known_;
  std::vector<ir::NodeId> made_;
  std::map<std::pair<ir::ValueId, bool>, Format> found_;
};

// Analysis with every value left out that calibration saw nothing of or that 8 bits cannot hold,
// and what does not fit one scale.
Analysis analyse_observed(const ir::Model& model, const stats::Statistics& statistics,
                          const Recipe& recipe, Formats& formats) {
  std::map<std::string, std::string> unstored;
  std::map<ir::NodeId, std::string> left;
  const ir::Graph& g = model.graph;
  for (size_t n = 0; n < g.nodes.size() && !recipe.left.empty(); ++n)
    if (const ir::ValueId out = g.nodes[n].output(0); out != ir::kNone)
      if (const auto it = recipe.left.find(g.values[out].name); it != recipe.left.end())
        left[static_cast<ir::NodeId>(n)] = it->second;
  for (;;) {
    Analysis a = analyse(model, recipe.keep, unstored, left, *recipe.target);
    const size_t before = unstored.size() + left.size();
    left.merge(unlike_parts(model, a, statistics, recipe.calibrator));
    for (size_t v = 0; v < a.stored.size(); ++v) {
      if (!a.stored[v]) continue;
      const std::string& name = g.values[a.head[v]].name;
      const auto it = statistics.tensors.find(name);
      if (it == statistics.tensors.end() || it->second.range.empty()) {
        unstored[name] = "was never observed";
        continue;
      }
      const ir::ValueId head = a.head[v];
      // Few large numbers between 0 and 1 are what a Softmax is for.
      if (formats.is_known(head) || fixed_range(a, formats.maker(head))) continue;
      const double db = ordinary_sqnr_db(it->second, formats.of(a, head));
      if (db < kHopelessDb)
        unstored[name] = fmt::format(
            "has a few numbers so large, up to {:.3g}, that 8 bits hold little of the others "
            "({:.1f} dB)",
            std::max(-it->second.range.min, it->second.range.max), db);
    }
    if (unstored.size() + left.size() == before) return a;
  }
}

class Decider {
 public:
  Decider(const ir::Model& model, const stats::Statistics& statistics, const Recipe& recipe,
          const Decisions* known)
      : g_(model.graph),
        statistics_(statistics),
        recipe_(recipe),
        formats_(g_, statistics, recipe, known),
        a_(analyse_observed(model, statistics, recipe, formats_)) {
    if (!known) return;
    for (const NodeDecision& d : known->nodes) known_nodes_[d.output] = &d;
  }

  Decisions run(int threads) {
    Decisions d;
    std::vector<std::pair<const ir::Node*, size_t>> weighted;  // the second: in `d.nodes`
    d.target = recipe_.target;
    for (size_t v = 0; v < a_.stored.size(); ++v)
      if (a_.stored[v]) {
        d.activations[g_.values[v].name] = formats_.of(a_, a_.head[v]);
        d.why[g_.values[v].name] = why(static_cast<ir::ValueId>(v));
      }
    for (size_t n = 0; n < a_.nodes.size(); ++n) {
      const Role& role = a_.nodes[n];
      if (!role.op || (!role.quantized && !role.weighted && role.reason.empty())) continue;
      const ir::Node& node = g_.nodes[n];
      NodeDecision decision{.node = node.name,
                            .op = node.op,
                            .output = g_.values[node.outputs[0]].name,
                            .weighted = role.weighted,
                            .quantized = role.quantized,
                            .reason = role.quantized ? "" : role.reason,
                            .inputs = role.inputs,
                            .weight = {},
                            .codes = {},
                            .weight_sqnr_db = {},
                            .bias = {}};
      if (role.weighted && role.quantized) weighted.emplace_back(&node, d.nodes.size());
      d.nodes.push_back(std::move(decision));
    }
    // The large ones first, so that threads end at about the same time.
    std::ranges::stable_sort(weighted, std::greater(), [&](const auto& w) {
      return g_.constant(w.first->inputs[1])->count();
    });
    runtime::ThreadPool pool(threads);
    runtime::run_tasks(pool, static_cast<int64_t>(weighted.size()), [&](int64_t i, int) {
      const auto& [node, at] = weighted[static_cast<size_t>(i)];
      add_weight(*node, d, d.nodes[at]);
    });
    return d;
  }

 private:
  std::string why(ir::ValueId id) const {
    if (a_.head[id] != id)
      return fmt::format("shares the format of {}", base::quoted(g_.values[a_.head[id]].name));
    if (formats_.maker(id) == ir::kNone) return "input of the model";
    const ir::Node& node = g_.nodes[formats_.maker(id)];
    const ops::Operator* op = a_.nodes[formats_.maker(id)].op;
    if (clip_bounds(g_, node)) return fmt::format("it ends a {}", node.op);
    if (op && op->traits.fixed_range)
      return fmt::format("a {} gives {} to {}", node.op, op->traits.fixed_range->first,
                         op->traits.fixed_range->second);
    return "output of a " + base::printable(node.op);
  }

  void add_weight(const ir::Node& node, const Decisions& d, NodeDecision& decision) const {
    if (const auto it = known_nodes_.find(decision.output);
        it != known_nodes_.end() && it->second->quantized) {
      decision.weight = it->second->weight;
      decision.codes = it->second->codes;
      decision.weight_sqnr_db = it->second->weight_sqnr_db;
      decision.bias = it->second->bias;
      return;
    }
    const Tensor& weight = *g_.constant(node.inputs[1]);
    Format format = symmetric_weights(weight, recipe_.per_channel ? channel_axis(node, weight) : -1,
                                      recipe_.weights);
    if (const Tensor* bias = g_.constant(node.input(2)); bias && recipe_.target->quantizes_bias)
      make_room_for_bias(format, d.activations.at(g_.values[node.inputs[0]].name).params.scale(),
                         bias->data<float>());
    if (const int adds = recipe_.target->adds; adds > 1)
      avoid_saturation(format, node, weight, adds);
    const Tensor back = dequantize(quantize(weight, format), format);
    if (recipe_.bias_correct && corrects_bias(g_, node))
      if (const auto seen = statistics_.tensors.find(g_.values[node.inputs[0]].name);
          seen != statistics_.tensors.end())
        decision.bias = corrected_bias(node, weight, back, g_.constant(node.input(2)),
                                       seen->second.channels.means());
    decision.weight_sqnr_db = stats::sqnr_db(weight.data<float>(), back.data<float>());
    decision.weight = std::move(format);
  }

  const ir::Graph& g_;
  const stats::Statistics& statistics_;
  const Recipe& recipe_;
  Formats formats_;
  Analysis a_;
  std::map<std::string, const NodeDecision*> known_nodes_;
};

}  // namespace

std::map<std::string, int> points(const ir::Model& model, const Recipe& recipe) {
  const Analysis a = analyse(model, recipe.keep, {}, {}, *recipe.target);
  const ir::Graph& g = model.graph;
  std::map<std::string, int> names;
  const auto add = [&](const Analysis& analysis) {
    for (size_t v = 0; v < analysis.stored.size(); ++v)
      if (analysis.stored[v]) names.emplace(g.values[analysis.head[v]].name, 0);
  };
  add(a);
  // What is behind a Concat that may stay in float has formats of its own then.
  std::map<ir::NodeId, std::string> left;
  for (ir::NodeId n : separable_concats(model, a)) left[n] = "may be of unlike parts";
  if (!left.empty()) add(analyse(model, recipe.keep, {}, left, *recipe.target));
  if (recipe.bias_correct)
    for (size_t n = 0; n < a.nodes.size(); ++n)
      if (a.nodes[n].weighted && a.nodes[n].quantized && corrects_bias(g, g.nodes[n]))
        names[g.values[g.nodes[n].inputs[0]].name] = g.nodes[n].op == "Conv" ? 1 : -1;
  return names;
}

Decisions decide(const ir::Model& model, const stats::Statistics& statistics, const Recipe& recipe,
                 const Decisions* known, int threads) {
  return Decider(model, statistics, recipe, known).run(threads);
}

WeightBytes weight_bytes(const ir::Graph& graph, const ir::Node& node, const NodeDecision& decision,
                         const Target& target) {
  const Tensor *weight = graph.constant(node.input(1)), *bias = graph.constant(node.input(2));
  if (!weight) return {};
  const uint64_t before = weight->bytes() + (bias ? bias->bytes() : 0);
  if (!decision.weight) return {before, before};
  const uint64_t bias_bytes = bias ? bias->bytes() : 4 * decision.bias.size();
  const size_t scales = decision.weight->params.scales.size();
  const DType type = decision.weight->dtype;
  uint64_t after = tensor::byte_size(type, weight->count()) + 4 * scales +
                   tensor::byte_size(type, static_cast<int64_t>(scales)) + bias_bytes;
  if (bias_bytes > 0 && target.quantizes_bias) after += 4 * scales;
  return {before, after};
}

void check_weights(const ir::Model& model, int threads) {
  const ir::Graph& g = model.graph;
  std::vector<std::pair<const ir::Node*, ir::ValueId>> weights;
  for (const ir::Node& node : g.nodes) {
    const ops::Operator* op = ops::find(node.domain, node.op, model.opset(node.domain));
    if (!op || op->traits.quant != ops::QuantClass::kWeighted) continue;
    for (size_t i = 1; i < node.inputs.size(); ++i)
      if (const Tensor* t = g.constant(node.inputs[i]); t && t->dtype() == DType::kFloat32)
        weights.emplace_back(&node, node.inputs[i]);
  }
  runtime::ThreadPool pool(threads);
  runtime::run_tasks(pool, static_cast<int64_t>(weights.size()), [&](int64_t i, int) {
    const auto& [node, id] = weights[static_cast<size_t>(i)];
    const auto at = stats::first_non_finite(g.constant(id)->data<float>());
    if (!at) return;
    Error error(
        ErrorKind::kInput, "E14",
        fmt::format("weight {} is not finite at element {}", base::quoted(g.values[id].name), *at),
        "the model is damaged, or its training diverged: export it again");
    error.add_frame(
        fmt::format("node {} ({})", base::quoted(node->name), base::printable(node->op)));
    throw error;
  });
}

int64_t quantize_nodes(const ir::Model& model) {
  static const std::set<std::string, std::less<>> kOps{"QuantizeLinear",
                                                       "DequantizeLinear",
                                                       "DynamicQuantizeLinear",
                                                       "QLinearConv",
                                                       "QLinearMatMul",
                                                       "ConvInteger",
                                                       "MatMulInteger",
                                                       "QGemm",
                                                       "MatMulIntegerToFloat",
                                                       "DynamicQuantizeMatMul",
                                                       "QLinearAdd",
                                                       "QLinearMul",
                                                       "MatMulNBits"};
  return std::ranges::count_if(model.graph.nodes,
                               [](const ir::Node& n) { return kOps.contains(n.op); });
}

}  // namespace tersor::quant
