// Two transpositions in a row become one.
//
//   before   t = Transpose<p>(x), y = Transpose<q>(t)
//   after    y = Transpose<r>(x), r[i] = p[q[i]]
//   when     both permutations are written out and of one length; t may have other readers
//   exact    axis i of y is axis q[i] of t, which is axis p[q[i]] of x
#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

std::optional<std::vector<int64_t>> composed(const std::vector<int64_t>& p,
                                             const std::vector<int64_t>& q) {
  if (p.empty() || p.size() != q.size()) return {};
  std::vector<int64_t> r;
  for (int64_t i : q) {
    if (i < 0 || i >= static_cast<int64_t>(p.size())) return {};
    r.push_back(p[static_cast<size_t>(i)]);
  }
  return r;
}

}  // namespace

int merge_transposes(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      if (!g.is(n, "Transpose")) continue;
      const ir::NodeId before = g.made_by(g.node(n).input(0), "Transpose");
      if (before == ir::kNone) continue;
      const auto perm = composed(g.node(before).attr_ints("perm"), g.node(n).attr_ints("perm"));
      if (!perm) continue;
      if (!context.step()) break;
      g.set_inputs(n, {g.node(before).input(0)});
      g.node(n).set("perm", *perm);
      g.node(n).origin = "merge_transposes";
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
