// Raising the opset.
//
//   before   a model at opset v
//   after    the same at opset w > v: nodes whose form changed in between are rewritten, version by
//   version, by the rows of
//            opset_conversions.cc
//   when     every ai.onnx node of every graph is one whose changes are known, and can be
//   converted; otherwise the model stays
//            as it is, and the first refusal says why
//   exact    each row says the same in the newer form; the rest of the operators kept their meaning
#include "passes/raise_opset.h"

#include <algorithm>

#include "base/error.h"
#include "passes/opset_conversions.h"
#include "passes/passes.h"
#include "passes/types.h"

namespace tersor::passes {
namespace {

bool is_standard(const ir::Node& node) { return node.domain.empty() || node.domain == "ai.onnx"; }

bool is_function(const ir::Model& model, const ir::Node& node) {
  return std::ranges::any_of(model.functions, [&](const ir::Function& f) {
    return f.name == node.op && f.domain == node.domain && f.overload == node.overload;
  });
}

// Rewrites of one graph; fills `reason` at the first refusal.
int raise(Editor& g, const ir::Model& model, int64_t from, int64_t to, std::string& reason) {
  int rewrites = 0;
  const ir::NodeId count = g.count();
  for (ir::NodeId n = 0; n < count && reason.empty(); ++n) {
    if (!is_standard(g.node(n)) || is_function(model, g.node(n))) continue;
    const auto refuse = [&](const std::string& why) {
      reason =
          fmt::format("the opset stays {}, since node {} ({}) cannot be brought to {}: {}", from,
                      base::quoted(g.node(n).name), base::printable(g.node(n).op), to, why);
    };
    if (!is_known_operator(g.node(n).op)) {
      refuse("the operator is not known");
      break;
    }
    bool converted = false;
    for (int64_t v = from + 1; v <= to && reason.empty(); ++v)
      for (const Conversion& row : conversions()) {
        if (row.version != v || g.node(n).op != row.op) continue;
        if (const std::optional<std::string> why = row.convert(g, n)) {
          refuse(*why);
        } else {
          converted = true;
        }
        break;
      }
    if (converted) {
      g.node(n).origin = "raise_opset";
      ++rewrites;
    }
  }
  return rewrites;
}

void set_opset(ir::Model& model, int64_t version) {
  bool found = false;
  for (auto& [domain, v] : model.opsets)
    if (domain.empty() || domain == "ai.onnx") {
      v = version;
      found = true;
    }
  if (!found) model.opsets[""] = version;
}

}  // namespace

int64_t ir_version_for(int64_t opset) {
  struct Row {
    int64_t opset, ir;
  };
  // What the release of ONNX that brought the opset wrote.
  constexpr Row kRows[] = {{28, 14}, {25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9},
                           {15, 8},  {12, 7},  {11, 6},  {10, 5},  {9, 4}};
  for (const Row& row : kRows)
    if (opset >= row.opset) return row.ir;
  return 3;
}

Raised raise_opset(ir::Model& model, int64_t version) {
  const int64_t from = model.opset();
  if (version <= from) return {.done = true, .rewrites = 0, .reason = {}};
  const auto refused = [](std::string reason) {
    return Raised{.done = false, .rewrites = 0, .reason = std::move(reason)};
  };
  if (version > kNewestOpset)
    return refused(
        fmt::format("opset {} is newer than {}, the newest known", version, kNewestOpset));
  if (from < 7)
    return refused(fmt::format("opset {} is older than 7, from which changes are known", from));
  ir::Model copy = model;
  infer_types(copy);
  std::string reason;
  const int rewrites = edit_graphs(
      copy, [&](Editor& g) { return reason.empty() ? raise(g, copy, from, version, reason) : 0; });
  if (!reason.empty()) return refused(std::move(reason));
  // From IR version 4 on a new initializer need not be an input.
  if (copy.ir_version < 4)
    for_each_graph(copy, [](ir::Graph& graph, const Scope*) {
      return static_cast<int>(std::erase_if(
          graph.inputs, [&](ir::ValueId v) { return graph.values[v].constant.has_value(); }));
    });
  copy.ir_version = std::max({copy.ir_version, ir_version_for(version), int64_t{4}});
  set_opset(copy, version);
  infer_types(copy);
  model = std::move(copy);
  return {.done = true, .rewrites = rewrites, .reason = {}};
}

int raise_to_minimum(ir::Model& model, PassContext& context) {
  const int64_t wanted = context.options().min_opset;
  if (wanted <= model.opset()) return 0;
  ir::Model copy = model;
  const Raised raised = raise_opset(copy, wanted);
  if (!raised.done) context.note(raised.reason);
  if (!raised.done || !context.step()) return 0;
  model = std::move(copy);
  return std::max(1, raised.rewrites);
}

}  // namespace tersor::passes
