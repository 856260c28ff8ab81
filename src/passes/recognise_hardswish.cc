// The formulas of HardSwish become the operator.
//
//   before   y = x * Clip(x + 3, 0, 6) / 6, or x * HardSigmoid(x) with alpha 1/6 and beta 1/2
//   after    y = HardSwish(x)
//   when     the products stand in any order; inner values have no other reader; the model is at opset 14, or may be
//            raised to it
//   exact    the same formula, rounded fewer times
#include <cmath>

#include "passes/factors.h"
#include "passes/passes.h"
#include "passes/raise_opset.h"

namespace tersor::passes {
namespace {

constexpr int64_t kOpset = 14;

struct Match {
  ir::ValueId x = ir::kNone;
  std::vector<ir::NodeId> inner;
};

bool near(double a, double b) { return std::abs(a - b) <= 1e-5 * std::abs(b); }

// Clip(., 0, 6), in its old and its new form.
bool is_relu6(const Editor& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const auto bound = [&](const char* name, size_t i) -> std::optional<double> {
    if (const ir::Attribute* a = node.find(name)) return node.attr_float(a->name, 0);
    return single(g.constant(node.input(i)));
  };
  const auto low = bound("min", 1), high = bound("max", 2);
  return low && high && *low == 0 && *high == 6;
}

std::optional<Match> match(const Editor& g, ir::NodeId last) {
  if (!g.is(last, "Mul") && !g.is(last, "Div")) return {};
  const Factors f = factors(g, last);
  if (f.values.size() != 2) return {};
  for (size_t i = 0; i < 2; ++i) {
    Match m{.x = f.values[i], .inner = f.inner};
    const ir::ValueId gate = f.values[1 - i];
    if (!g.used_once(gate)) continue;
    if (const ir::NodeId h = g.made_by(gate, "HardSigmoid"); h != ir::kNone) {
      const bool fits = near(g.node(h).attr_float("alpha", 0.2F), 1.0 / 6) &&
                        near(g.node(h).attr_float("beta", 0.5F), 0.5) && near(f.constant, 1);
      m.inner.push_back(h);
      if (fits && g.node(h).input(0) == m.x) return m;
    } else if (const ir::NodeId clip = g.made_by(gate, "Clip"); clip != ir::kNone) {
      if (!is_relu6(g, clip) || !near(f.constant, 1.0 / 6)) continue;
      const ir::ValueId sum = g.node(clip).input(0);
      const auto x = plus_constant(g, sum, 3);
      m.inner.push_back(clip);
      m.inner.push_back(g.producer(sum));
      if (x && *x == m.x && g.used_once(sum)) return m;
    }
  }
  return {};
}

}  // namespace

int recognise_hardswish(ir::Model& model, PassContext& context) {
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
      g.node(n).op = "HardSwish";
      g.node(n).origin = "recognise_hardswish";
      g.node(n).attributes.clear();
      g.set_inputs(n, {m->x});
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
