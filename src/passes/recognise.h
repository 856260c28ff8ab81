// What the recognisers of formulas share: raising the opset for the operator they make, factors,
// constants.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "passes/constants.h"
#include "passes/editor.h"
#include "passes/passes.h"
#include "passes/raise_opset.h"

namespace tersor::passes {

// Equal but for the digits that exporters leave out of irrational constants, and the rounding of
// the type.
inline bool is_about(double value, double wanted, DType type) {
  const bool narrow = type == DType::kFloat16 || type == DType::kBfloat16;
  return std::abs(value - wanted) <= (narrow ? 0x1p-8 : 1e-5) * std::abs(wanted);
}

// Rewrites what match(editor, node) finds by rewrite(editor, node, its result), in a model that is
// at `opset`, or can be brought there within the ceiling (a step of its own). Returns the rewrites,
// at least 1 if anything changed.
template <typename Find, typename Rewrite>
int rewrite_matches(ir::Model& model, PassContext& context, int64_t opset, Find match,
                    Rewrite rewrite) {
  const bool raise = model.opset() < opset;
  if (raise) {
    if (context.options().opset_ceiling < opset) return 0;
    bool any = false;
    edit_graphs(model, [&](const Editor& g) {
      for (ir::NodeId n = 0; n < g.count() && !any; ++n) any = match(g, n).has_value();
      return 0;
    });
    if (!any) return 0;
    ir::Model raised = model;
    const Raised result = raise_opset(raised, opset);
    if (!result.done) {
      context.note(result.reason);
      return 0;
    }
    if (!context.step()) return 0;
    model = std::move(raised);
  }
  const int rewrites = edit_graphs(model, [&](Editor& g) {
    int changes = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      if (!g.alive(n)) continue;
      const auto found = match(std::as_const(g), n);
      if (!found) continue;
      if (!context.step()) break;
      rewrite(g, n, *found);
      ++changes;
    }
    return changes;
  });
  return std::max(rewrites, raise ? 1 : 0);
}

// A product as its factors, whatever the order in which an exporter multiplied them.
struct Factors {
  double constant = 1;
  int rank = 0;  // the most axes of a constant
  std::vector<ir::ValueId> values;
  std::vector<ir::NodeId>
      inner;  // multiplications and divisions below the last one, read by nobody else
};

// The factors of what node `last` (Mul, or Div by a constant number) makes; none if it is another
// node.
inline Factors factors(const Editor& g, ir::NodeId last) {
  constexpr size_t kMostNodes = 6;
  const auto is_product = [&](ir::NodeId n) {
    return g.is(n, "Mul") || (g.is(n, "Div") && single(g.constant(g.node(n).input(1))));
  };
  Factors f;
  if (!is_product(last)) return f;
  std::vector<ir::NodeId> open{last};
  for (size_t seen = 0; !open.empty() && seen < kMostNodes; ++seen) {
    const ir::NodeId n = open.back();
    open.pop_back();
    if (n != last) f.inner.push_back(n);
    for (size_t i = 0; i < 2; ++i) {
      const ir::ValueId v = g.node(n).input(i);
      const Tensor* constant = g.constant(v);
      if (const std::optional<double> c = single(constant)) {
        f.constant = g.is(n, "Div") && i == 1 ? f.constant / *c : f.constant * *c;
        f.rank = std::max(f.rank, constant->rank());
        continue;
      }
      const ir::NodeId made = g.producer(v);
      if (v != ir::kNone && g.used_once(v) && is_product(made))
        open.push_back(made);
      else
        f.values.push_back(v);
    }
  }
  return open.empty() ? f : Factors{};
}

// `v` = other + constant.
struct Sum {
  ir::ValueId other = ir::kNone;
  double constant = 0;
  int rank = 0;  // of the constant
};
inline std::optional<Sum> sum_with_constant(const Editor& g, ir::ValueId v) {
  const ir::NodeId add = g.made_by(v, "Add");
  if (add == ir::kNone) return {};
  for (size_t i = 0; i < 2; ++i) {
    const Tensor* constant = g.constant(g.node(add).input(i));
    if (const std::optional<double> c = single(constant))
      return Sum{g.node(add).input(1 - i), *c, constant->rank()};
  }
  return {};
}

// Constants of one element and of `rank` axes leave the shape of `x` as it is.
inline bool keeps_shape(const Editor& g, ir::ValueId x, int rank) {
  return rank <= std::max(0, g.type(x).rank());
}

}  // namespace tersor::passes
