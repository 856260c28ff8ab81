// A product as its factors, whatever the order in which an exporter multiplied them.
#pragma once

#include <vector>

#include "passes/constants.h"
#include "passes/editor.h"

namespace tersor::passes {

struct Factors {
  double constant = 1;
  std::vector<ir::ValueId> values;
  std::vector<ir::NodeId> inner;  // multiplications and divisions below the last one, read by nobody else
};

// The factors of what node `last` (Mul, or Div by a constant number) makes.
inline Factors factors(const Editor& g, ir::NodeId last) {
  constexpr size_t kMostNodes = 6;
  Factors f;
  std::vector<ir::NodeId> open{last};
  for (size_t seen = 0; !open.empty() && seen < kMostNodes; ++seen) {
    const ir::NodeId n = open.back();
    open.pop_back();
    if (n != last) f.inner.push_back(n);
    const bool division = g.is(n, "Div");
    for (size_t i = 0; i < 2; ++i) {
      const ir::ValueId v = g.node(n).input(i);
      const std::optional<double> c = single(g.constant(v));
      if (c) {
        f.constant = division && i == 1 ? f.constant / *c : f.constant * *c;
        continue;
      }
      const ir::NodeId made = g.producer(v);
      const bool product = made != ir::kNone && g.used_once(v) &&
                           (g.is(made, "Mul") || (g.is(made, "Div") && single(g.constant(g.node(made).input(1)))));
      if (product && !(division && i == 1))
        open.push_back(made);
      else
        f.values.push_back(v);
    }
    if (division && !single(g.constant(g.node(n).input(1)))) return {};
  }
  return open.empty() ? f : Factors{};
}

// If `v` is `x + constant` for some x: that x.
inline std::optional<ir::ValueId> plus_constant(const Editor& g, ir::ValueId v, double constant) {
  const ir::NodeId add = g.made_by(v, "Add");
  if (add == ir::kNone) return {};
  for (size_t i = 0; i < 2; ++i)
    if (is_near(g.constant(g.node(add).input(i)), constant)) return g.node(add).input(1 - i);
  return {};
}

}  // namespace tersor::passes
