// The formulas of HardSwish become the operator.
//
//   before   y = x * Clip(x + 3, 0, 6) / 6, or x * HardSigmoid(x) with alpha 1/6 and beta 1/2
//   after    y = HardSwish(x)
//   when     the products stand in any order; the Clip may be written as Min and Max, or as Relu
//   and Min; inner values have
//            no other reader; the constants are numbers that do not broadcast x; the model is at
//            opset 14, or may be raised to it
//   exact    the same formula, rounded fewer times
#include "passes/recognise.h"

namespace tersor::passes {
namespace {

struct Match {
  ir::ValueId x = ir::kNone;
  int rank = 0;  // the most axes of a constant
  std::vector<ir::NodeId> inner;
};

// One number of Min or Max against a value: that value.
std::optional<ir::ValueId> bounded(const Editor& g, ir::NodeId n, double bound, Match& m) {
  if (g.node(n).inputs.size() != 2) return {};
  for (size_t i = 0; i < 2; ++i) {
    const Tensor* constant = g.constant(g.node(n).input(i));
    if (single(constant) != bound) continue;
    m.rank = std::max(m.rank, constant->rank());
    return g.node(n).input(1 - i);
  }
  return {};
}

// `v` = Max(other, 0); other.
std::optional<ir::ValueId> above_zero(const Editor& g, ir::ValueId v, Match& m) {
  const ir::NodeId n = g.producer(v);
  if (n == ir::kNone || !g.used_once(v)) return {};
  m.inner.push_back(n);
  if (g.is(n, "Relu")) return g.node(n).input(0);
  return g.is(n, "Max") ? bounded(g, n, 0, m) : std::nullopt;
}

// `v` = Min(other, 6); other.
std::optional<ir::ValueId> below_six(const Editor& g, ir::ValueId v, Match& m) {
  const ir::NodeId n = g.made_by(v, "Min");
  if (n == ir::kNone || !g.used_once(v)) return {};
  m.inner.push_back(n);
  return bounded(g, n, 6, m);
}

// `v` = Clip(other, 0, 6), in any of its forms; other.
std::optional<ir::ValueId> relu6(const Editor& g, ir::ValueId v, Match& m) {
  if (const ir::NodeId n = g.made_by(v, "Clip"); n != ir::kNone && g.used_once(v)) {
    const ir::Node& node = g.node(n);
    const auto bound = [&](const char* name, size_t i) -> std::optional<double> {
      if (node.has(name)) return node.attr_float(name, 0);
      return single(g.constant(node.input(i)));
    };
    if (bound("min", 1) != 0.0 || bound("max", 2) != 6.0) return {};
    m.inner.push_back(n);
    return node.input(0);
  }
  Match tried = m;
  std::optional<ir::ValueId> other = below_six(g, v, tried);
  if (other) other = above_zero(g, *other, tried);
  if (!other) {
    tried = m;
    other = above_zero(g, v, tried);
    if (other) other = below_six(g, *other, tried);
  }
  if (other) m = std::move(tried);
  return other;
}

std::optional<Match> match(const Editor& g, ir::NodeId last) {
  if (!g.alive(last)) return {};
  const Factors f = factors(g, last);
  if (f.values.size() != 2) return {};
  for (size_t i = 0; i < 2; ++i) {
    Match m{.x = f.values[i], .rank = f.rank, .inner = f.inner};
    const DType type = g.type(m.x).elem;
    const ir::ValueId gate = f.values[1 - i];
    if (const ir::NodeId h = g.made_by(gate, "HardSigmoid"); h != ir::kNone) {
      const ir::Node& node = g.node(h);
      if (f.constant != 1 || !g.used_once(gate) || node.input(0) != m.x ||
          !is_about(node.attr_float("alpha", 0.2F), 1.0 / 6, type) ||
          node.attr_float("beta", 0.5F) != 0.5F)
        continue;
      m.inner.push_back(h);
    } else {
      const auto argument = relu6(g, gate, m);
      const auto sum = argument ? sum_with_constant(g, *argument) : std::nullopt;
      if (!sum || !g.used_once(*argument) || sum->other != m.x || sum->constant != 3 ||
          !is_about(f.constant, 1.0 / 6, type))
        continue;
      m.rank = std::max(m.rank, sum->rank);
      m.inner.push_back(g.producer(*argument));
    }
    if (keeps_shape(g, m.x, m.rank)) return m;
  }
  return {};
}

}  // namespace

int recognise_hardswish(ir::Model& model, PassContext& context) {
  return rewrite_matches(model, context, 14, match, [](Editor& g, ir::NodeId n, const Match& m) {
    for (ir::NodeId inner : m.inner) g.remove(inner);
    g.node(n).op = "HardSwish";
    g.node(n).origin = "recognise_hardswish";
    g.node(n).attributes.clear();
    g.set_inputs(n, {m.x});
  });
}

}  // namespace tersor::passes
