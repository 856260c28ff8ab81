#include "passes/editor.h"

#include <algorithm>

#include "base/error.h"
#include "base/limits.h"

namespace tersor::passes {
namespace {

void check_depth(int depth) {
  if (depth > limits::kGraphNesting)
    base::fail(ErrorKind::kLimit, "E63", "graphs are nested deeper than {}", limits::kGraphNesting);
}

void collect(const ir::Graph& graph, std::unordered_set<std::string>& names) {
  std::vector<const ir::Graph*> stack{&graph};
  while (!stack.empty()) {
    const ir::Graph* g = stack.back();
    stack.pop_back();
    for (const ir::Value& value : g->values) names.insert(value.name);
    for (const ir::Node& node : g->nodes)
      for (const auto& body : ir::subgraphs(node)) stack.push_back(body.get());
  }
}

template <typename F>
void for_each_body(ir::Node& node, F&& f) {
  for (ir::Attribute& a : node.attributes) {
    if (auto* one = std::get_if<ir::Attribute::GraphPtr>(&a.data)) f(*one);
    if (auto* many = std::get_if<std::vector<ir::Attribute::GraphPtr>>(&a.data))
      for (auto& body : *many) f(body);
  }
}

// Captures of `from` become captures of `to`, in all bodies; one that captures both keeps one.
void rename_captures(ir::Attribute::GraphPtr& body, const std::string& from, const std::string& to,
                     int depth) {
  check_depth(depth);
  if (std::ranges::count(ir::captured_names(*body), from) == 0) return;
  auto copy = std::make_shared<ir::Graph>(*body);
  ir::ValueId old_id = ir::kNone, new_id = ir::kNone;
  for (ir::ValueId id : copy->captures) {
    if (copy->values[id].name == from) old_id = id;
    if (copy->values[id].name == to) new_id = id;
  }
  for (ir::Node& node : copy->nodes)
    for_each_body(node,
                  [&](ir::Attribute::GraphPtr& b) { rename_captures(b, from, to, depth + 1); });
  if (old_id != ir::kNone && new_id == ir::kNone) {
    copy->values[old_id].name = to;
    copy->values[old_id].type = {};
  } else if (old_id != ir::kNone) {
    const auto rename = [&](std::vector<ir::ValueId>& ids) {
      std::ranges::replace(ids, old_id, new_id);
    };
    for (ir::Node& node : copy->nodes) rename(node.inputs);
    rename(copy->outputs);
    std::erase(copy->captures, old_id);
    copy->drop_unused_values();
  }
  body = std::move(copy);
}

int visit(ir::Graph& graph, const Scope* outer, int depth,
          const std::function<int(ir::Graph&, const Scope*)>& edit) {
  check_depth(depth);
  int total = 0;
  std::optional<Scope> scope;
  for (ir::Node& node : graph.nodes)
    for_each_body(node, [&](ir::Attribute::GraphPtr& body) {
      if (!scope) scope.emplace(graph, outer);
      auto copy = std::make_shared<ir::Graph>(*body);
      const int changes = visit(*copy, &*scope, depth + 1, edit);
      if (changes > 0) body = std::move(copy);
      total += changes;
    });
  return total + edit(graph, outer);
}

}  // namespace

// ---- scopes and names --------------------------------------------------------------------------

Scope::Scope(const ir::Graph& graph, const Scope* outer) : graph_(graph), outer_(outer) {
  for (size_t v = 0; v < graph.values.size(); ++v)
    names_.emplace(graph.values[v].name, static_cast<ir::ValueId>(v));
}

const ir::Value* Scope::find(std::string_view name) const {
  const ir::Value* captured = nullptr;
  for (const Scope* s = this; s; s = s->outer_) {
    const auto it = s->names_.find(name);
    if (it == s->names_.end()) continue;
    captured = &s->graph_.values[it->second];
    if (std::ranges::count(s->graph_.captures, it->second) == 0) return captured;
  }
  return captured;
}

std::string Names::fresh(std::string_view wish) {
  if (model_) {
    collect(model_->graph, used_);
    model_ = nullptr;
  }
  std::string name(wish.empty() ? "value" : wish);
  if (used_.insert(name).second) return name;
  int& next = next_[name];
  std::string candidate;
  do {
    candidate = name + "_" + std::to_string(++next);
  } while (!used_.insert(candidate).second);
  return candidate;
}

// ---- the editor --------------------------------------------------------------------------------

Editor::Editor(ir::Graph& graph, Names& names, const Scope* outer)
    : graph_(graph),
      names_(names),
      outer_(outer),
      original_(static_cast<ir::NodeId>(graph.nodes.size())),
      dead_(graph.nodes.size(), false),
      producers_(graph.producers()),
      readers_(graph.consumers()),
      outputs_(graph.outputs.begin(), graph.outputs.end()) {}

bool Editor::is(ir::NodeId n, std::string_view op) const {
  if (n == ir::kNone || dead_[n]) return false;
  const ir::Node& candidate = graph_.nodes[n];
  return candidate.op == op && (candidate.domain.empty() || candidate.domain == "ai.onnx");
}

ir::NodeId Editor::made_by(ir::ValueId v, std::string_view op) const {
  const ir::NodeId n = producer(v);
  return n != ir::kNone && is(n, op) && graph_.nodes[n].output(0) == v ? n : ir::kNone;
}

const Tensor* Editor::constant(ir::ValueId v) const {
  if (v == ir::kNone) return nullptr;
  if (const Tensor* own = graph_.constant(v)) return own;
  if (!outer_ || std::ranges::count(graph_.captures, v) == 0) return nullptr;
  const ir::Value* outer = outer_->find(graph_.values[v].name);
  return outer && outer->constant ? &*outer->constant : nullptr;
}

const ir::Type& Editor::type(ir::ValueId v) const {
  static const ir::Type unknown;
  if (v == ir::kNone) return unknown;
  if (outer_ && std::ranges::count(graph_.captures, v) != 0)
    if (const ir::Value* outer = outer_->find(graph_.values[v].name)) return outer->type;
  return graph_.values[v].type;
}

ir::ValueId Editor::added(ir::ValueId v) {
  producers_.resize(graph_.values.size(), ir::kNone);
  readers_.resize(graph_.values.size());
  return v;
}

ir::ValueId Editor::add_constant(std::string_view wish, Tensor tensor) {
  return added(graph_.add_constant(names_.fresh(wish), std::move(tensor)));
}

ir::ValueId Editor::add_value(std::string_view wish, ir::Type type) {
  return added(graph_.add_value(names_.fresh(wish), std::move(type)));
}

void Editor::add_reader(ir::ValueId v, ir::NodeId n) {
  if (v != ir::kNone) readers_[v].push_back(n);
}

void Editor::remove_reader(ir::ValueId v, ir::NodeId n) {
  if (v == ir::kNone) return;
  const auto it = std::ranges::find(readers_[v], n);
  if (it != readers_[v].end()) readers_[v].erase(it);
}

ir::NodeId Editor::insert_before(ir::NodeId at, ir::Node node) {
  const auto id = static_cast<ir::NodeId>(graph_.nodes.size());
  for (ir::ValueId v : node.inputs) add_reader(v, id);
  for (ir::ValueId v : node.outputs)
    if (v != ir::kNone) producers_[v] = id;
  graph_.nodes.push_back(std::move(node));
  dead_.push_back(false);
  const auto it = anchor_.find(at);
  const ir::NodeId place = it == anchor_.end() ? at : it->second;
  anchor_[id] = place;
  before_[place].push_back(id);
  return id;
}

void Editor::set_inputs(ir::NodeId n, std::vector<ir::ValueId> inputs) {
  for (ir::ValueId v : graph_.nodes[n].inputs) remove_reader(v, n);
  for (ir::ValueId v : inputs) add_reader(v, n);
  graph_.nodes[n].inputs = std::move(inputs);
}

void Editor::set_input(ir::NodeId n, size_t i, ir::ValueId v) {
  std::vector<ir::ValueId> inputs = graph_.nodes[n].inputs;
  if (i >= inputs.size()) inputs.resize(i + 1, ir::kNone);
  inputs[i] = v;
  while (!inputs.empty() && inputs.back() == ir::kNone) inputs.pop_back();
  set_inputs(n, std::move(inputs));
}

void Editor::set_outputs(ir::NodeId n, std::vector<ir::ValueId> outputs) {
  for (ir::ValueId v : graph_.nodes[n].outputs)
    if (v != ir::kNone && producers_[v] == n) producers_[v] = ir::kNone;
  for (ir::ValueId v : outputs)
    if (v != ir::kNone) producers_[v] = n;
  graph_.nodes[n].outputs = std::move(outputs);
}

void Editor::replace_uses(ir::ValueId from, ir::ValueId to) {
  const std::vector<ir::NodeId> uses = std::move(readers_[from]);
  readers_[from].clear();
  const std::string old_name = graph_.values[from].name, new_name = graph_.values[to].name;
  for (ir::NodeId n : uses) {
    ir::Node& reader = graph_.nodes[n];
    std::ranges::replace(reader.inputs, from, to);
    for_each_body(reader, [&](ir::Attribute::GraphPtr& body) {
      rename_captures(body, old_name, new_name, 1);
    });
    readers_[to].push_back(n);
  }
}

void Editor::set_constant(ir::ValueId v, Tensor tensor) {
  ir::Value& target = graph_.values[v];
  target.type = ir::Type::tensor(tensor.dtype(), ir::to_shape(tensor.dims()));
  target.constant = std::move(tensor);
}

void Editor::remove(ir::NodeId n) {
  dead_[n] = true;
  // Captures of bodies count as uses, so the node is taken out of every list that may hold it.
  for (ir::ValueId v : graph_.nodes[n].inputs) remove_reader(v, n);
  if (!ir::subgraphs(graph_.nodes[n]).empty())
    for (auto& list : readers_) std::erase(list, n);
  for (ir::ValueId v : graph_.nodes[n].outputs)
    if (v != ir::kNone && producers_[v] == n) producers_[v] = ir::kNone;
}

bool Editor::can_bypass(ir::NodeId n, ir::ValueId v) const {
  const ir::ValueId out = graph_.nodes[n].output(0);
  if (out == ir::kNone || out == v) return false;
  return !is_output(out) || (producer(v) != ir::kNone && !is_output(v));
}

void Editor::bypass(ir::NodeId n, ir::ValueId v) {
  const ir::ValueId out = graph_.nodes[n].output(0);
  remove(n);
  if (!is_output(out)) return replace_uses(out, v);
  const ir::NodeId maker = producer(v);
  std::vector<ir::ValueId> outputs = graph_.nodes[maker].outputs;
  std::ranges::replace(outputs, v, out);
  set_outputs(maker, std::move(outputs));
  replace_uses(v, out);
}

void Editor::finish() {
  if (!before_.empty()) {
    std::vector<ir::Node> ordered;
    std::vector<bool> dead;
    ordered.reserve(graph_.nodes.size());
    const auto emit = [&](ir::NodeId n) {
      ordered.push_back(std::move(graph_.nodes[n]));
      dead.push_back(dead_[n]);
    };
    for (ir::NodeId n = 0; n < original_; ++n) {
      if (const auto it = before_.find(n); it != before_.end())
        for (ir::NodeId added_node : it->second) emit(added_node);
      emit(n);
    }
    graph_.nodes = std::move(ordered);
    dead_ = std::move(dead);
  }
  graph_.erase_nodes(dead_);
}

// ---- walking -----------------------------------------------------------------------------------

int for_each_graph(ir::Model& model, const std::function<int(ir::Graph&, const Scope*)>& edit) {
  return visit(model.graph, nullptr, 0, edit);
}

int edit_graphs(ir::Model& model, const std::function<int(Editor&)>& edit) {
  Names names(model);
  return for_each_graph(model, [&](ir::Graph& graph, const Scope* outer) {
    Editor editor(graph, names, outer);
    const int changes = edit(editor);
    if (changes > 0) editor.finish();
    return changes;
  });
}

int edit_main(ir::Model& model, const std::function<int(Editor&)>& edit) {
  Names names(model);
  Editor editor(model.graph, names);
  const int changes = edit(editor);
  if (changes > 0) editor.finish();
  return changes;
}

}  // namespace tersor::passes
