#include "passes/types.h"

#include <algorithm>

#include "base/error.h"
#include "base/limits.h"
#include "ops/infer.h"
#include "passes/editor.h"

namespace tersor::passes {
namespace {

// The body as a graph of its own: captures are inputs or initializers.
ir::Graph standalone(const ir::Graph& body, const Scope& outer) {
  ir::Graph graph = body;
  for (ir::ValueId v : graph.inputs)
    if (!graph.values[v].constant && graph.values[v].type.kind == ir::Type::Kind::kTensor)
      graph.values[v].type = ir::Type::tensor(graph.values[v].type.elem);
  // Names that only bodies inside this one read are captured through it.
  for (const std::string& name : ir::captured_names(body)) {
    ir::ValueId id = ir::kNone;
    for (ir::ValueId v : graph.captures)
      if (graph.values[v].name == name) id = v;
    if (id == ir::kNone) id = graph.add_value(name);
    const ir::Value* value = outer.find(name);
    if (value && value->constant) {
      graph.values[id].constant = value->constant;
      continue;
    }
    graph.values[id].type = value ? value->type : ir::Type{};
    graph.inputs.push_back(id);
  }
  graph.captures.clear();
  return graph;
}

void infer_bodies(const ir::Model& model, ir::Graph& graph, const Scope* outer, int depth);

void infer_body(const ir::Model& model, ir::Attribute::GraphPtr& body, const Scope& outer,
                int depth) {
  ir::Model alone;
  alone.opsets = model.opsets;
  alone.graph = standalone(*body, outer);
  ops::infer_shapes(alone);
  auto typed = std::make_shared<ir::Graph>(*body);
  std::vector<bool> given(typed->values.size(), false);
  for (const auto* list : {&typed->inputs, &typed->captures})
    for (ir::ValueId v : *list) given[v] = true;
  for (size_t v = 0; v < typed->values.size(); ++v)
    if (!given[v] && !typed->values[v].constant &&
        alone.graph.values[v].type.kind != ir::Type::Kind::kUnknown)
      typed->values[v].type = std::move(alone.graph.values[v].type);
  infer_bodies(model, *typed, &outer, depth);
  body = std::move(typed);
}

void infer_bodies(const ir::Model& model, ir::Graph& graph, const Scope* outer, int depth) {
  if (depth > limits::kGraphNesting)
    base::fail(ErrorKind::kLimit, "E63", "graphs are nested deeper than {}", limits::kGraphNesting);
  if (std::ranges::all_of(graph.nodes, [](const ir::Node& n) { return ir::subgraphs(n).empty(); }))
    return;
  const Scope scope(graph, outer);
  for (ir::Node& node : graph.nodes)
    for (ir::Attribute& a : node.attributes) {
      if (auto* one = std::get_if<ir::Attribute::GraphPtr>(&a.data))
        infer_body(model, *one, scope, depth + 1);
      if (auto* many = std::get_if<std::vector<ir::Attribute::GraphPtr>>(&a.data))
        for (auto& body : *many) infer_body(model, body, scope, depth + 1);
    }
}

}  // namespace

void infer_types(ir::Model& model) {
  ops::infer_shapes(model);
  infer_bodies(model, model.graph, nullptr, 0);
}

}  // namespace tersor::passes
