#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "ir/model.h"

namespace tersor::ir {

ValueId Graph::add_value(std::string value_name, Type type) {
  values.push_back({.name = std::move(value_name), .type = std::move(type)});
  return static_cast<ValueId>(values.size()) - 1;
}

ValueId Graph::add_constant(std::string value_name, Tensor tensor) {
  Type type = Type::tensor(tensor.dtype(), to_shape(tensor.dims()));
  const ValueId id = add_value(std::move(value_name), std::move(type));
  values[id].constant = std::move(tensor);
  return id;
}

std::string Graph::fresh_name(std::string_view wish) const {
  std::string candidate(wish);
  for (int i = 1; find(candidate) != kNone; ++i)
    candidate = std::string(wish) + "_" + std::to_string(i);
  return candidate;
}

ValueId Graph::find(std::string_view value_name) const {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].name == value_name) return static_cast<ValueId>(i);
  return kNone;
}

std::vector<ValueId> Graph::required_inputs() const {
  std::vector<ValueId> required;
  for (ValueId id : inputs)
    if (!values[id].constant) required.push_back(id);
  return required;
}

std::vector<NodeId> Graph::producers() const {
  std::vector<NodeId> made(values.size(), kNone);
  for (size_t n = 0; n < nodes.size(); ++n)
    for (ValueId id : nodes[n].outputs)
      if (id != kNone) made[id] = static_cast<NodeId>(n);
  return made;
}

std::vector<std::vector<NodeId>> Graph::consumers() const {
  std::vector<std::vector<NodeId>> readers(values.size());
  std::unordered_map<std::string_view, ValueId> by_name;
  for (size_t n = 0; n < nodes.size(); ++n) {
    for (ValueId id : nodes[n].inputs)
      if (id != kNone) readers[id].push_back(static_cast<NodeId>(n));
    for (const auto& body : subgraphs(nodes[n])) {
      if (by_name.empty())
        for (size_t v = 0; v < values.size(); ++v)
          by_name.emplace(values[v].name, static_cast<ValueId>(v));
      for (const std::string& outer : captured_names(*body))
        if (const auto it = by_name.find(outer); it != by_name.end())
          readers[it->second].push_back(static_cast<NodeId>(n));
    }
  }
  return readers;
}

bool Graph::is_output(ValueId id) const { return std::ranges::find(outputs, id) != outputs.end(); }

std::vector<std::string> captured_names(const Graph& graph) {
  // A body lists what it takes from outside; what the bodies inside it take from further out is
  // listed by it as well only if it is named there, so they are walked too.
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  std::vector<std::pair<const Graph*, std::unordered_set<std::string>>> stack;
  stack.push_back({&graph, {}});
  while (!stack.empty()) {
    auto [g, hidden] = std::move(stack.back());
    stack.pop_back();
    std::unordered_set<ValueId> captured(g->captures.begin(), g->captures.end());
    for (ValueId id : g->captures) {
      const std::string& name = g->values[id].name;
      if (!hidden.contains(name) && seen.insert(name).second) names.push_back(name);
    }
    for (size_t v = 0; v < g->values.size(); ++v)
      if (!captured.contains(static_cast<ValueId>(v))) hidden.insert(g->values[v].name);
    for (const Node& node : g->nodes)
      for (const auto& body : subgraphs(node)) stack.push_back({body.get(), hidden});
  }
  return names;
}

namespace {

// `graph` with captures of `from` renamed to `to`, in all its bodies; shares it if nothing changes.
std::shared_ptr<const Graph> rename_capture(const std::shared_ptr<const Graph>& graph,
                                            const std::string& from, const std::string& to) {
  if (std::ranges::count(captured_names(*graph), from) == 0) return graph;
  auto copy = std::make_shared<Graph>(*graph);
  for (ValueId id : copy->captures)
    if (copy->values[id].name == from) copy->values[id].name = to;
  for (Node& node : copy->nodes)
    for (Attribute& a : node.attributes) {
      if (auto* one = std::get_if<Attribute::GraphPtr>(&a.data))
        *one = rename_capture(*one, from, to);
      if (auto* many = std::get_if<std::vector<Attribute::GraphPtr>>(&a.data))
        for (auto& body : *many) body = rename_capture(body, from, to);
    }
  return copy;
}

}  // namespace

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes) {
    for (ValueId& id : node.inputs)
      if (id == from) id = to;
    for (Attribute& a : node.attributes) {
      if (auto* one = std::get_if<Attribute::GraphPtr>(&a.data))
        *one = rename_capture(*one, values[from].name, values[to].name);
      if (auto* many = std::get_if<std::vector<Attribute::GraphPtr>>(&a.data))
        for (auto& body : *many) body = rename_capture(body, values[from].name, values[to].name);
    }
  }
  for (ValueId& id : outputs)
    if (id == from) id = to;
}

void Graph::sort() {
  std::unordered_map<std::string_view, ValueId> by_name;
  for (size_t v = 0; v < values.size(); ++v)
    by_name.emplace(values[v].name, static_cast<ValueId>(v));
  const std::vector<NodeId> made = producers();
  const size_t count = nodes.size();
  std::vector<std::vector<NodeId>> next(count);
  std::vector<int> waiting(count, 0);
  for (size_t n = 0; n < count; ++n) {
    std::vector<ValueId> reads = nodes[n].inputs;
    for (const auto& body : subgraphs(nodes[n]))
      for (const std::string& outer : captured_names(*body))
        if (const auto it = by_name.find(outer); it != by_name.end()) reads.push_back(it->second);
    for (ValueId id : reads)
      if (id != kNone && made[id] != kNone) {
        next[made[id]].push_back(static_cast<NodeId>(n));
        ++waiting[n];
      }
  }
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  for (size_t n = 0; n < count; ++n)
    if (waiting[n] == 0) ready.push(static_cast<NodeId>(n));
  std::vector<NodeId> order;
  while (!ready.empty()) {
    const NodeId n = ready.top();
    ready.pop();
    order.push_back(n);
    for (NodeId m : next[n])
      if (--waiting[m] == 0) ready.push(m);
  }
  if (order.size() != count) {
    for (size_t n = 0; n < count; ++n)
      if (waiting[n] > 0)
        base::fail_input("E24", "the graph has a cycle through node {} ({})",
                         base::quoted(nodes[n].name), base::printable(nodes[n].op));
  }
  if (std::ranges::is_sorted(order)) return;
  std::vector<Node> sorted;
  sorted.reserve(count);
  for (NodeId n : order) sorted.push_back(std::move(nodes[n]));
  nodes = std::move(sorted);
}

void Graph::erase_nodes(const std::vector<bool>& dead) {
  size_t kept = 0;
  for (size_t n = 0; n < nodes.size(); ++n)
    if (!(n < dead.size() && dead[n])) {
      if (kept != n) nodes[kept] = std::move(nodes[n]);
      ++kept;
    }
  nodes.resize(kept);
  drop_unused_values();
}

void Graph::drop_unused_values() {
  std::vector<bool> used(values.size(), false);
  const auto mark = [&](const std::vector<ValueId>& ids) {
    for (ValueId id : ids)
      if (id != kNone) used[id] = true;
  };
  mark(inputs);
  mark(outputs);
  std::unordered_set<std::string> captured;
  for (const Node& node : nodes) {
    mark(node.inputs);
    mark(node.outputs);
    for (const auto& body : subgraphs(node))
      for (std::string& outer : captured_names(*body)) captured.insert(std::move(outer));
  }
  if (!captured.empty())
    for (size_t v = 0; v < values.size(); ++v)
      if (captured.contains(values[v].name)) used[v] = true;
  std::vector<ValueId> renamed(values.size(), kNone);
  size_t kept = 0;
  for (size_t v = 0; v < values.size(); ++v)
    if (used[v]) {
      renamed[v] = static_cast<ValueId>(kept);
      if (kept != v) values[kept] = std::move(values[v]);
      ++kept;
    }
  values.resize(kept);
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids)
      if (id != kNone) id = renamed[id];
  };
  rename(inputs);
  rename(outputs);
  std::erase_if(captures, [&](ValueId id) { return renamed[id] == kNone; });
  rename(captures);
  for (Node& node : nodes) {
    rename(node.inputs);
    rename(node.outputs);
  }
}

// ---- checks ------------------------------------------------------------------------------------

namespace {

[[noreturn]] void broken(const Graph& graph, const std::string& what) {
  throw Error(ErrorKind::kInternal, "E71",
              "graph " + base::quoted(graph.name) + " is not consistent: " + what);
}

}  // namespace

void verify(const Graph& graph) {
  const auto in_range = [&](ValueId id) {
    return id == kNone || (id >= 0 && static_cast<size_t>(id) < graph.values.size());
  };
  std::unordered_set<std::string_view> names;
  for (const Value& value : graph.values)
    if (!names.insert(value.name).second) broken(graph, "two values " + base::quoted(value.name));
  std::vector<bool> ready(graph.values.size(), false);
  for (size_t v = 0; v < graph.values.size(); ++v) ready[v] = graph.values[v].constant.has_value();
  for (ValueId id : graph.inputs) {
    if (!in_range(id) || id == kNone) broken(graph, "an input id is out of range");
    ready[id] = true;
  }
  for (ValueId id : graph.captures) {
    if (!in_range(id) || id == kNone) broken(graph, "a capture id is out of range");
    ready[id] = true;
  }
  for (const Node& node : graph.nodes) {
    for (ValueId id : node.inputs) {
      if (!in_range(id)) broken(graph, "node " + base::quoted(node.name) + ": input id");
      if (id != kNone && !ready[id])
        broken(graph, "node " + base::quoted(node.name) + " reads " +
                          base::quoted(graph.values[id].name) + " before it is made");
    }
    for (ValueId id : node.outputs) {
      if (!in_range(id)) broken(graph, "node " + base::quoted(node.name) + ": output id");
      if (id == kNone) continue;
      if (ready[id])
        broken(graph, "value " + base::quoted(graph.values[id].name) + " is made twice");
      ready[id] = true;
    }
    for (const auto& body : subgraphs(node)) verify(*body);
  }
  for (ValueId id : graph.outputs)
    if (!in_range(id) || id == kNone || !ready[id]) broken(graph, "an output is never made");
}

void verify(const Model& model) { verify(model.graph); }

std::string dump(const Graph& graph) {
  std::string text;
  const auto list = [&](const std::vector<ValueId>& ids) {
    std::string s;
    for (size_t i = 0; i < ids.size(); ++i) {
      s += i ? ", " : "";
      if (ids[i] == kNone) continue;
      const Value& v = graph.values[ids[i]];
      s += base::printable(v.name);
      if (v.type.kind == Type::Kind::kTensor) {
        s += ":" + tensor::name(v.type.elem);
        if (v.type.shape) s += to_string(*v.type.shape);
      }
    }
    return s;
  };
  text += "in  " + list(graph.inputs) + "\n";
  for (const Node& node : graph.nodes)
    text += list(node.outputs) + " = " + base::printable(node.op) + "(" + list(node.inputs) + ")" +
            (node.origin.empty() ? "" : "  # " + node.origin) + "\n";
  return text + "out " + list(graph.outputs) + "\n";
}

}  // namespace tersor::ir
