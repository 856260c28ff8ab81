// Initializers of one graph with equal contents become one.
//
//   before   y = f(x, a), z = g(x, b) with a and b equal in type, shape and bytes
//   after    y = f(x, a), z = g(x, a)
//   when     neither is an input or output of the graph
//   exact    every reader gets the same bytes
#include <algorithm>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

// Of type, dimensions and the first bytes: large weights are compared whole only where these are
// equal.
size_t hash_of(const Tensor& t) {
  constexpr size_t kLooked = 1024;
  size_t h = static_cast<size_t>(t.dtype());
  for (int64_t d : t.dims()) h = h * 1000003 + static_cast<size_t>(d);
  const std::string_view bytes(reinterpret_cast<const char*>(t.raw()),
                               t.raw() ? std::min(t.bytes(), kLooked) : 0);
  return h * 1000003 + std::hash<std::string_view>{}(bytes);
}

}  // namespace

int dedup_constants(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    std::unordered_multimap<size_t, ir::ValueId> seen;
    const std::unordered_set<ir::ValueId> inputs(g.graph().inputs.begin(), g.graph().inputs.end());
    int rewrites = 0;
    const auto values = static_cast<ir::ValueId>(g.graph().values.size());
    for (ir::ValueId v = 0; v < values; ++v) {
      const Tensor* t = g.graph().constant(v);
      if (!t || t->dtype() == DType::kString || g.is_output(v) || inputs.contains(v) ||
          g.readers(v).empty())
        continue;
      const size_t hash = hash_of(*t);
      ir::ValueId twin = ir::kNone;
      for (auto [it, end] = seen.equal_range(hash); it != end && twin == ir::kNone; ++it)
        if (tensor::same(*g.graph().constant(it->second), *t)) twin = it->second;
      if (twin == ir::kNone) {
        seen.emplace(hash, v);
        continue;
      }
      if (!context.step()) break;
      g.replace_uses(v, twin);
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
