#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "ops/infer.h"
#include "passes/pipeline.h"
#include "passes/raise_opset.h"
#include "passes/types.h"
#include "quant/halves/halves.h"
#include "quant/halves/narrow_graphs.h"
#include "quant/halves/storage.h"

namespace tersor::quant {
namespace {

constexpr int64_t kBfloat16Opset = 22;  // the first with Conv and pooling in bfloat16
constexpr int64_t kCastOpset = 13;      // the first with Cast from and to bfloat16

}  // namespace

bool has(const ir::Model& model, DType type) {
  std::vector<const ir::Graph*> open{&model.graph};
  while (!open.empty()) {
    const ir::Graph* g = open.back();
    open.pop_back();
    for (const ir::Value& v : g->values)
      if (v.type.elem == type || (v.constant && v.constant->dtype() == type)) return true;
    for (const ir::Node& n : g->nodes) {
      if (const Tensor* t = n.attr_tensor("value"); t && t->dtype() == type) return true;
      for (const auto& body : ir::subgraphs(n)) open.push_back(body.get());
    }
  }
  return false;
}

std::map<std::string, int> half_points(const ir::Model& model) {
  std::map<std::string, int> points;
  for (const ir::Value& v : model.graph.values)
    if (!v.constant && v.type.elem == DType::kFloat32) points.emplace(v.name, 0);
  return points;
}

Halves to_halves(const ir::Model& model, const HalvesRecipe& recipe,
                 const stats::Statistics& ranges) {
  Halves out;
  out.model = model;
  out.to = recipe.to;
  ir::Model& m = out.model;
  passes::run_pass(m, "inline_functions");
  passes::run_pass(m, "initializers_not_inputs");
  passes::run_pass(m, "constants_to_initializers");
  if (m.opset() == 0) m.opsets[""] = kCastOpset;  // of other domains only, until now
  if (recipe.to == DType::kBfloat16) {
    const int64_t wanted = recipe.storage_only ? kCastOpset : kBfloat16Opset;
    if (const passes::Raised raised = passes::raise_opset(m, wanted); !raised.done) {
      if (m.opset() < kCastOpset)
        throw Error(ErrorKind::kUnsupported, "E11",
                    fmt::format("bfloat16 begins with opset {}: {}", kCastOpset, raised.reason),
                    "use fp16");
      out.kept.push_back({"", "", raised.reason});
    }
  }
  m.ir_version = std::max<int64_t>(m.ir_version, 4);
  if (recipe.storage_only) {
    Stored stored = narrow_storage(m, recipe.to);
    out.stored = stored.weights;
    for (auto& [weight, reason] : stored.left)
      out.kept.push_back({std::move(weight), "weight", std::move(reason)});
  } else {
    passes::infer_types(m);
    Narrowed narrowed = narrow_graphs(m, recipe, ranges);
    out.kept.insert(out.kept.end(), std::make_move_iterator(narrowed.kept.begin()),
                    std::make_move_iterator(narrowed.kept.end()));
    out.converted = narrowed.converted;
    out.casts = narrowed.casts;
    out.unmatched = std::move(narrowed.unmatched);
  }
  m.graph.drop_unused_values();
  ops::infer_shapes(m);
  ir::verify(m);
  return out;
}

}  // namespace tersor::quant
