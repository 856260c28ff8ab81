// The formula of layer normalization becomes the operator.
//
//   before   d = x - ReduceMean(x), y = d / Sqrt(ReduceMean(d^2) + e) * gamma + beta
//   after    y = LayerNormalization(x, gamma, beta), axis and epsilon set
//   when     both means go over the same last axes and keep them; x is float32 and these axes are numbers; gamma is a
//            constant of their shape, beta is one or missing; inner values have no other reader; the model is at opset 17,
//            or may be raised to it
//   exact    the same formula, rounded fewer times
#include "passes/constants.h"
#include "passes/editor.h"
#include "passes/passes.h"
#include "passes/raise_opset.h"

namespace tersor::passes {
namespace {

constexpr int64_t kOpset = 17;

struct Match {
  ir::ValueId x = ir::kNone, gamma = ir::kNone, beta = ir::kNone;
  int64_t axis = -1;  // counted from the end
  double epsilon = 0;
  ir::NodeId last = ir::kNone;
  std::vector<ir::NodeId> inner;
};

// How many last axes a ReduceMean that keeps them goes over; 0 if it is no such thing.
int64_t mean_axes(const Editor& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  std::vector<int64_t> axes = node.attr_ints("axes");
  if (axes.empty()) {
    const auto given = integers(g.constant(node.input(1)));
    if (!given) return 0;
    axes = *given;
  }
  const int rank = g.type(node.input(0)).rank();
  if (node.attr_int("keepdims", 1) == 0 || axes.empty() || rank < 0) return 0;
  std::vector<bool> over(static_cast<size_t>(rank), false);
  for (int64_t a : axes) {
    if (a < -rank || a >= rank) return 0;
    over[static_cast<size_t>(a < 0 ? a + rank : a)] = true;
  }
  int64_t count = 0;
  while (count < rank && over[static_cast<size_t>(rank - 1 - count)]) ++count;
  return count == static_cast<int64_t>(axes.size()) ? count : 0;
}

// `v` = d * d or d ^ 2.
ir::NodeId square_of(const Editor& g, ir::ValueId v, ir::ValueId d) {
  if (const ir::NodeId pow = g.made_by(v, "Pow"); pow != ir::kNone)
    return g.node(pow).input(0) == d && is_near(g.constant(g.node(pow).input(1)), 2) ? pow : ir::kNone;
  const ir::NodeId mul = g.made_by(v, "Mul");
  return mul != ir::kNone && g.node(mul).input(0) == d && g.node(mul).input(1) == d ? mul : ir::kNone;
}

// The only reader of `v`, if it is an `op` with a constant of the normalized shape as the other operand.
ir::NodeId with_constant(const Editor& g, ir::ValueId v, const char* op, const ir::Shape& tail,
                         ir::ValueId& constant) {
  if (!g.used_once(v)) return ir::kNone;
  const ir::NodeId n = g.readers(v)[0];
  if (!g.is(n, op) || g.node(n).inputs.size() != 2) return ir::kNone;
  constant = g.node(n).input(g.node(n).input(0) == v ? 1 : 0);
  const Tensor* t = g.constant(constant);
  if (!t || t->dtype() != DType::kFloat32 || ir::to_shape(t->dims()) != tail) return ir::kNone;
  return n;
}

std::optional<Match> match(const Editor& g, ir::NodeId division) {
  if (!g.is(division, "Div")) return {};
  Match m;
  const ir::ValueId d = g.node(division).input(0), s = g.node(division).input(1);
  const ir::NodeId sub = g.made_by(d, "Sub"), root = g.made_by(s, "Sqrt");
  if (sub == ir::kNone || root == ir::kNone || g.is_output(d) || !g.used_once(s)) return {};
  m.x = g.node(sub).input(0);
  const ir::ValueId mean = g.node(sub).input(1), sum = g.node(root).input(0);
  const ir::NodeId mean_node = g.made_by(mean, "ReduceMean"), add = g.made_by(sum, "Add");
  if (mean_node == ir::kNone || add == ir::kNone || !g.used_once(mean) || !g.used_once(sum)) return {};
  if (g.node(mean_node).input(0) != m.x) return {};
  const size_t at = single(g.constant(g.node(add).input(1))) ? 0 : 1;
  const auto epsilon = single(g.constant(g.node(add).input(1 - at)));
  const ir::ValueId variance = g.node(add).input(at);
  const ir::NodeId variance_node = g.made_by(variance, "ReduceMean");
  if (!epsilon || variance_node == ir::kNone || !g.used_once(variance)) return {};
  const ir::ValueId squares = g.node(variance_node).input(0);
  const ir::NodeId square = square_of(g, squares, d);
  if (square == ir::kNone || !g.used_once(squares)) return {};
  for (ir::NodeId reader : g.readers(d))
    if (reader != square && reader != division) return {};
  const int64_t axes = mean_axes(g, mean_node);
  const ir::Type& type = g.type(m.x);
  if (axes == 0 || axes != mean_axes(g, variance_node) || type.elem != DType::kFloat32) return {};
  const ir::Shape tail(type.shape->end() - axes, type.shape->end());
  if (!ir::to_dims(tail)) return {};
  const ir::NodeId scale = with_constant(g, g.node(division).output(0), "Mul", tail, m.gamma);
  if (scale == ir::kNone) return {};
  m.epsilon = *epsilon;
  m.axis = -axes;
  m.last = scale;
  m.inner = {mean_node, sub, square, variance_node, add, root, division};
  const ir::NodeId shift = with_constant(g, g.node(scale).output(0), "Add", tail, m.beta);
  if (shift != ir::kNone) {
    m.inner.push_back(scale);
    m.last = shift;
  } else {
    m.beta = ir::kNone;
  }
  return m;
}

}  // namespace

int recognise_layernorm(ir::Model& model, PassContext& context) {
  if (model.opset() < kOpset) {
    if (context.options().opset_ceiling < kOpset) return 0;
    bool any = false;
    edit_graphs(model, [&](Editor& g) {
      for (ir::NodeId n = 0; n < g.count() && !any; ++n) any = match(g, n).has_value();
      return 0;
    });
    if (!any || !raise_opset(model, kOpset).done) return 0;
  }
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      if (!g.alive(n)) continue;
      const auto m = match(g, n);
      if (!m) continue;
      if (!context.step()) break;
      for (ir::NodeId inner : m->inner) g.remove(inner);
      ir::Node& node = g.node(m->last);
      node.op = "LayerNormalization";
      node.origin = "recognise_layernorm";
      node.attributes.clear();
      node.set("axis", m->axis);
      node.set("epsilon", static_cast<float>(m->epsilon));
      std::vector<ir::ValueId> inputs{m->x, m->gamma};
      if (m->beta != ir::kNone) inputs.push_back(m->beta);
      g.set_inputs(m->last, std::move(inputs));
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
