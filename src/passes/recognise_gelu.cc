// The formulas of Gelu become the operator.
//
//   before   y = x * 0.5 * (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) for erf(...)
//   after    y = Gelu(x), approximate "none" or "tanh"
//   when     the products stand in any order; inner values have no other reader; the model is at opset 20, or may be
//            raised to it
//   exact    the same formula, rounded fewer times
#include <cmath>
#include <numbers>

#include "passes/factors.h"
#include "passes/passes.h"
#include "passes/raise_opset.h"

namespace tersor::passes {
namespace {

constexpr int64_t kOpset = 20;

struct Match {
  ir::ValueId x = ir::kNone;
  bool tanh = false;
  std::vector<ir::NodeId> inner;
};

bool near(double a, double b) { return std::abs(a - b) <= 1e-3 * std::abs(b); }

// Everything between `v` and its reader belongs to the pattern only.
bool own(const Editor& g, ir::ValueId v) { return g.used_once(v); }

// `v` = x * constant for the given x.
bool is_scaled(const Editor& g, ir::ValueId v, ir::ValueId x, double constant, Match& m) {
  const ir::NodeId n = g.producer(v);
  if (n == ir::kNone || !own(g, v) || (!g.is(n, "Mul") && !g.is(n, "Div"))) return false;
  const Factors f = factors(g, n);
  if (f.values.size() != 1 || f.values[0] != x || std::abs(f.constant - constant) > 1e-4 * constant) return false;
  m.inner.push_back(n);
  m.inner.insert(m.inner.end(), f.inner.begin(), f.inner.end());
  return true;
}

// `v` = x^3.
bool is_cube(const Editor& g, ir::ValueId v, ir::ValueId x, Match& m) {
  if (!own(g, v)) return false;
  if (const ir::NodeId pow = g.made_by(v, "Pow"); pow != ir::kNone) {
    m.inner.push_back(pow);
    return g.node(pow).input(0) == x && is_near(g.constant(g.node(pow).input(1)), 3);
  }
  return false;
}

bool is_tanh_argument(const Editor& g, ir::ValueId v, ir::ValueId x, Match& m) {
  const ir::NodeId scale = g.producer(v);
  if (scale == ir::kNone || !own(g, v) || !g.is(scale, "Mul")) return false;
  const Factors f = factors(g, scale);
  if (f.values.size() != 1 || !near(f.constant, std::sqrt(2 / std::numbers::pi))) return false;
  m.inner.push_back(scale);
  m.inner.insert(m.inner.end(), f.inner.begin(), f.inner.end());
  const ir::NodeId add = g.made_by(f.values[0], "Add");
  if (add == ir::kNone || !own(g, f.values[0])) return false;
  m.inner.push_back(add);
  for (size_t i = 0; i < 2; ++i) {
    if (g.node(add).input(i) != x) continue;
    const ir::ValueId term = g.node(add).input(1 - i);
    const ir::NodeId product = g.made_by(term, "Mul");
    if (product == ir::kNone || !own(g, term)) return false;
    const Factors t = factors(g, product);
    if (!near(t.constant, 0.044715)) return false;
    m.inner.push_back(product);
    m.inner.insert(m.inner.end(), t.inner.begin(), t.inner.end());
    if (t.values.size() == 1) return is_cube(g, t.values[0], x, m);
    return t.values.size() == 3 && t.values[0] == x && t.values[1] == x && t.values[2] == x;
  }
  return false;
}

std::optional<Match> match(const Editor& g, ir::NodeId last) {
  if (!g.is(last, "Mul") && !g.is(last, "Div")) return {};
  const Factors f = factors(g, last);
  if (f.values.size() != 2 || !near(f.constant, 0.5)) return {};
  for (size_t i = 0; i < 2; ++i) {
    Match m{.x = f.values[i], .tanh = false, .inner = f.inner};
    const ir::ValueId sum = f.values[1 - i];
    const auto curve = plus_constant(g, sum, 1);
    if (!curve || !own(g, sum) || !own(g, *curve) || g.type(m.x).elem == DType::kUndefined) continue;
    m.inner.push_back(g.producer(sum));
    m.inner.push_back(g.producer(*curve));
    if (const ir::NodeId erf = g.made_by(*curve, "Erf"); erf != ir::kNone) {
      if (is_scaled(g, g.node(erf).input(0), m.x, std::numbers::sqrt2 / 2, m)) return m;
    } else if (const ir::NodeId tanh = g.made_by(*curve, "Tanh"); tanh != ir::kNone) {
      m.tanh = true;
      if (is_tanh_argument(g, g.node(tanh).input(0), m.x, m)) return m;
    }
  }
  return {};
}

}  // namespace

int recognise_gelu(ir::Model& model, PassContext& context) {
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
      g.node(n).op = "Gelu";
      g.node(n).origin = "recognise_gelu";
      g.node(n).attributes.clear();
      if (m->tanh) g.node(n).set("approximate", std::string("tanh"));
      g.set_inputs(n, {m->x});
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
