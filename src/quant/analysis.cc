#include "quant/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "passes/passes.h"
#include "stats/min_max.h"

namespace tersor::quant {
namespace {

using ops::QuantClass;

bool is_standard(const ir::Node& node) { return node.domain.empty() || node.domain == "ai.onnx"; }

class Analyser {
 public:
  Analyser(const ir::Model& model, const std::vector<std::string>& keep,
           const std::map<std::string, std::string>& unstored,
           const std::map<ir::NodeId, std::string>& left, const Target& target)
      : model_(model),
        g_(model.graph),
        keep_(keep),
        unstored_(unstored),
        left_(left),
        target_(target),
        readers_(g_.consumers()) {
    const size_t values = g_.values.size();
    can_.assign(values, false);
    hot_.assign(values, false);
    stored_at_.assign(g_.nodes.size(), ir::kNone);
    a_.nodes.resize(g_.nodes.size());
    a_.stored.assign(values, false);
    a_.head.resize(values);
    for (size_t v = 0; v < values; ++v) a_.head[v] = static_cast<ir::ValueId>(v);
    find_gelu();
  }

  Analysis run() {
    for (ir::ValueId id : g_.required_inputs()) can_[id] = is_float32(id) && storable(id);
    for (size_t n = 0; n < g_.nodes.size(); ++n) reach(static_cast<ir::NodeId>(n));
    for (size_t n = g_.nodes.size(); n-- > 0;) demand(static_cast<ir::NodeId>(n));
    for (size_t n = 0; n < g_.nodes.size(); ++n)
      if (a_.nodes[n].follows && !followed_.contains(static_cast<ir::NodeId>(n)))
        a_.nodes[n].follows = false;
    return std::move(a_);
  }

 private:
  bool is_float32(ir::ValueId id) const { return g_.values[id].type.elem == DType::kFloat32; }
  bool storable(ir::ValueId id) const { return !unstored_.contains(g_.values[id].name); }
  // "its input was never observed"
  std::string why_not(const char* what, ir::ValueId id) const {
    return fmt::format("its {} {}", what, unstored_.at(g_.values[id].name));
  }
  bool kept(const ir::Node& node) const {
    return std::ranges::any_of(keep_, [&](const std::string& glob) {
      return glob_match(glob, node.name) || glob_match(glob, node.op);
    });
  }

  // Gelu stays in float between two products: 8 bits in front of it cost accuracy, and the values
  // inside its formula would be rounded one by one.
  void find_gelu() {
    gelu_.assign(g_.nodes.size(), false);
    for (ir::NodeId n : passes::gelu_formulas(model_)) gelu_[n] = true;
    for (size_t n = 0; n < g_.nodes.size(); ++n)
      if (g_.nodes[n].op == "Gelu") gelu_[n] = true;
  }

  // The target computes it, or passes it on, in 8 bits.
  bool has_form(const ir::Node& node) const {
    return !target_.operators || target_.operators->contains(node.op);
  }

  // The only reader of a value that nobody else sees.
  ir::NodeId only_reader(ir::ValueId id) const {
    if (readers_[id].size() != 1 || g_.is_output(id)) return ir::kNone;
    const ir::NodeId n = readers_[id][0];
    return std::ranges::find(g_.nodes[n].inputs, id) == g_.nodes[n].inputs.end() ? ir::kNone : n;
  }

  // Where the result of node n is stored: behind the bias and the activation that it can take
  // along.
  ir::ValueId settle(ir::NodeId n) {
    const ir::Node& node = g_.nodes[n];
    ir::ValueId at = node.outputs[0];
    if (node.op == "MatMul" && is_standard(node)) {
      const ir::NodeId next = only_reader(at);
      if (next != ir::kNone && adds_bias(g_.nodes[next], at) && !kept(g_.nodes[next]))
        at = follow(n, next);
    }
    if (!a_.nodes[n].op->traits.fuses_clip) return at;
    const ir::NodeId next = only_reader(at);
    if (next == ir::kNone || g_.nodes[next].input(0) != at || kept(g_.nodes[next])) return at;
    const auto bounds = clip_bounds(g_, g_.nodes[next]);
    return bounds && (bounds->lo == 0 || !target_.clips_from_zero) ? follow(n, next) : at;
  }
  ir::ValueId follow(ir::NodeId leader, ir::NodeId follower) {
    a_.nodes[follower].follows = true;
    leaders_[follower] = leader;
    return g_.nodes[follower].outputs[0];
  }
  bool adds_bias(const ir::Node& add, ir::ValueId sum) const {
    if (add.op != "Add" || !is_standard(add) || add.inputs.size() != 2) return false;
    const Tensor* bias = g_.constant(add.inputs[add.inputs[0] == sum ? 1 : 0]);
    const auto& shape = g_.values[sum].type.shape;
    return bias && bias->rank() == 1 && shape && !shape->empty() &&
           shape->back() == ir::Dim(bias->dim(0));
  }

  // Empty if the weighted node can compute in 8 bits.
  std::string obstacle(const ir::Node& node) const {
    if (kept(node)) return "kept as asked";
    if (!has_form(node)) return std::string(target_.label) + " has no 8-bit form of it";
    const ir::ValueId x = node.input(0), w = node.input(1);
    if (x == ir::kNone || w == ir::kNone) return "it lacks an input";
    if (!is_float32(x)) return "it computes in " + tensor::name(g_.values[x].type.elem);
    const Tensor* weight = g_.constant(w);
    if (!weight)
      return g_.constant(x) ? "its first operand is the constant one" : "its weights are computed";
    if (g_.constant(x)) return "its input is constant";
    if (weight->dtype() != DType::kFloat32 || weight->count() == 0 || weight->rank() < 2)
      return "its weights are no matrix of numbers";
    if (stats::first_non_finite(weight->data<float>())) return "its weights are not all finite";
    if (node.input(2) != ir::kNone) {
      const Tensor* bias = g_.constant(node.input(2));
      if (!bias || bias->dtype() != DType::kFloat32) return "its bias is computed";
    }
    if (node.op == "Gemm") {
      if (node.attr_int("transA", 0) != 0) return "its first operand is transposed";
      if (node.attr_float("alpha", 1) != 1 ||
          (node.input(2) != ir::kNone && node.attr_float("beta", 1) != 1))
        return "alpha or beta is not 1";
      const Tensor* bias = g_.constant(node.input(2));
      const int64_t columns = weight->dim(node.attr_int("transB", 0) != 0 ? 0 : 1);
      if (bias && bias->count() != columns) return "its bias is no vector";
    }
    if (!storable(a_.head[x])) return why_not("input", a_.head[x]);
    return {};
  }

  bool data_input(const Role& role, size_t i) const {
    return role.op->traits.variadic || (i < 32 && (role.op->traits.data_inputs >> i & 1));
  }

  // Forward: what could be stored in 8 bits.
  void reach(ir::NodeId n) {
    const ir::Node& node = g_.nodes[n];
    Role& role = a_.nodes[n];
    role.op = ops::find(node.domain, node.op, model_.opset(node.domain));
    if (!role.op || role.op->traits.quant == QuantClass::kNone || node.output(0) == ir::kNone)
      return;
    role.inputs.assign(node.inputs.size(), false);
    const bool product =
        node.op == "MatMul" && !g_.constant(node.input(1)) && !g_.constant(node.input(0));
    role.weighted = role.op->traits.quant == QuantClass::kWeighted && !product;
    if (const auto it = left_.find(n); it != left_.end()) {
      role.reason = it->second;
      return;
    }
    if (role.op->traits.quant == QuantClass::kWeighted) {
      if (product) {
        reach_product(node, role);
        return;
      }
      role.reason = obstacle(node);
      if (!role.reason.empty()) return;
      const ir::ValueId at = settle(n);
      if (node.op == "Conv") conv_ends_.insert(at);
      if (node.op == "Conv" && target_.conv_needs_output && !storable(at)) {
        role.reason = why_not("output", at);
        return;
      }
      role.quantized = role.inputs[0] = role.inputs[1] = true;
      stored_at_[n] = at;
      can_[at] = hot_[at] = storable(at);
      return;
    }
    if (role.follows || gelu_[n] || !role.op->bind || kept(node) || !moves_zero(node) ||
        !has_form(node))
      return;
    const bool residual = target_.quantizes_residual_adds && is_residual(node);
    bool all = true, any_hot = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ir::ValueId id = node.inputs[i];
      if (id == ir::kNone || !data_input(role, i)) continue;
      role.inputs[i] = true;
      const Tensor* constant = g_.constant(id);
      all &= constant ? role.op->traits.quant == QuantClass::kCombines && is_plain(*constant)
                      : can_[id] || (residual && is_float32(id) && storable(a_.head[id]));
      any_hot |= hot_[id];
    }
    const bool moves = role.op->traits.quant == QuantClass::kMoves;
    if (!all || (!moves && !any_hot) || !is_float32(node.outputs[0])) return;
    const ir::ValueId at = moves ? node.outputs[0] : settle(n);
    stored_at_[n] = at;
    for (ir::ValueId out : node.outputs) {
      if (out == ir::kNone) continue;
      if (moves) a_.head[out] = a_.head[node.inputs[0]];
      const ir::ValueId v = out == node.outputs[0] ? at : out;
      can_[v] = storable(a_.head[v]);
      hot_[v] = can_[v] && any_hot;
    }
  }
  // A product of two computed operands, such as queries and keys, reads 8 bits where both come from
  // operators with weights.
  void reach_product(const ir::Node& node, Role& role) const {
    if (kept(node))
      role.reason = "kept as asked";
    else if (!has_form(node))
      role.reason = std::string(target_.label) + " has no 8-bit form of it";
    else if (target_.saturates())
      role.reason = "its sums could saturate in " + std::string(target_.label);
    else if (!hot_[node.inputs[0]] || !hot_[node.inputs[1]] || node.inputs[0] == node.inputs[1])
      role.reason = "both operands are computed";
    else
      role.product = role.inputs[0] = role.inputs[1] = true;
  }
  static bool is_plain(const Tensor& t) {
    return t.dtype() == DType::kFloat32 && t.count() > 0 &&
           std::ranges::all_of(t.data<float>(), [](float v) { return std::isfinite(v); });
  }
  bool is_residual(const ir::Node& node) const {
    return node.op == "Add" && is_standard(node) && node.inputs.size() == 2 &&
           !g_.constant(node.inputs[0]) && !g_.constant(node.inputs[1]);
  }
  // Pad is a move only where it fills with zeros; other nodes always are what their traits say.
  bool moves_zero(const ir::Node& node) const {
    if (node.op != "Pad") return true;
    if (node.attr_string("mode", "constant") != "constant") return true;
    if (node.attr_float("value", 0) != 0) return false;
    if (node.input(2) == ir::kNone) return true;
    const Tensor* value = g_.constant(node.input(2));
    return value && value->count() == 1 && tensor::as_double(*value, 0) == 0;
  }

  // Backward: what is worth it.
  void demand(ir::NodeId n) {
    const ir::Node& node = g_.nodes[n];
    Role& role = a_.nodes[n];
    if (role.follows) return;
    if (role.weighted) {
      if (!role.quantized) return;
      // Runtimes compute a convolution in 8 bits only if its output is quantized too.
      if (node.op == "Conv" && target_.conv_needs_output) a_.stored[stored_at_[n]] = true;
      a_.stored[node.inputs[0]] = true;
      if (a_.stored[stored_at_[n]]) mark_followers(n);
      return;
    }
    if (role.product) {
      role.quantized = true;
      for (ir::ValueId id : node.inputs) a_.stored[id] = true;
      a_.symmetric.insert(a_.head[node.inputs[1]]);
      return;
    }
    const ir::ValueId at = stored_at_[n];
    if (at == ir::kNone) return;
    bool wanted = false;
    for (ir::ValueId out : node.outputs)
      if (out != ir::kNone)
        wanted |=
            a_.stored[out == node.outputs[0] ? at : out] && can_[out == node.outputs[0] ? at : out];
    if (!wanted && target_.quantizes_residual_adds && is_residual(node) &&
        std::ranges::any_of(node.inputs, [&](ir::ValueId id) { return conv_ends_.contains(id); })) {
      role.quantized = true;
      for (ir::ValueId id : node.inputs) a_.stored[id] = true;
      return;
    }
    if (!wanted) {
      role.inputs.assign(role.inputs.size(), false);
      return;
    }
    role.quantized = true;
    mark_followers(n);
    for (ir::ValueId out : node.outputs)
      if (out != ir::kNone) a_.stored[out == node.outputs[0] ? at : out] = true;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (role.inputs[i] && !g_.constant(node.inputs[i])) a_.stored[node.inputs[i]] = true;
  }
  void mark_followers(ir::NodeId leader) {
    for (const auto& [follower, of] : leaders_)
      if (of == leader) followed_.insert(follower);
  }

  const ir::Model& model_;
  const ir::Graph& g_;
  const std::vector<std::string>& keep_;
  const std::map<std::string, std::string>& unstored_;
  const std::map<ir::NodeId, std::string>& left_;
  const Target& target_;
  std::vector<std::vector<ir::NodeId>> readers_;
  Analysis a_;
  std::vector<bool> gelu_;              // by node
  std::vector<bool> can_, hot_;         // could be stored; comes from an operator with weights
  std::vector<ir::ValueId> stored_at_;  // by node
  std::map<ir::NodeId, ir::NodeId> leaders_;
  std::set<ir::NodeId> followed_;
  std::set<ir::ValueId> conv_ends_;  // where results of Conv are stored
};

}  // namespace

Analysis analyse(const ir::Model& model, const std::vector<std::string>& keep,
                 const std::map<std::string, std::string>& unstored,
                 const std::map<ir::NodeId, std::string>& left, const Target& target) {
  return Analyser(model, keep, unstored, left, target).run();
}

std::optional<stats::Range> clip_bounds(const ir::Graph& g, const ir::Node& node) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (!is_standard(node)) return {};
  if (node.op == "Relu") return stats::Range{0, kInfinity};
  if (node.op != "Clip") return {};
  stats::Range r{node.attr_float("min", -kInfinity), node.attr_float("max", kInfinity)};
  for (size_t i = 1; i <= 2; ++i) {
    if (node.input(i) == ir::kNone) continue;
    const Tensor* t = g.constant(node.input(i));
    if (!t || t->count() != 1) return {};
    (i == 1 ? r.lo : r.hi) = static_cast<float>(tensor::as_double(*t, 0));
  }
  if (!(r.lo <= r.hi)) return {};
  return r;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++, from = t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

int channel_axis(const ir::Node& node, const Tensor& weight) {
  if (node.op == "Conv") return 0;
  if (node.op == "ConvTranspose") return node.attr_int("group", 1) == 1 ? 1 : -1;
  if (node.op == "Gemm") return node.attr_int("transB", 0) != 0 ? 0 : 1;
  return weight.rank() == 2 ? 1 : -1;
}

}  // namespace tersor::quant
