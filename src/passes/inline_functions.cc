// Calls of the model's own functions are replaced by the functions' nodes.
//
//   before   y = F<alpha>(x), where the model has a function F
//   after    F's nodes, their inner values under new names, attribute references replaced by the
//   call's attributes, the
//            function's defaults, or nothing
//   when     F uses the operator versions that the model uses (after raising the model or F, where
//   that is needed and
//            possible); calls nest at most limits::kFunctionDepth deep, and the result has at most
//            limits::kNodes nodes
//   exact    that is what a call means; a body's names are its own
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/limits.h"
#include "passes/editor.h"
#include "passes/passes.h"
#include "passes/raise_opset.h"

namespace tersor::passes {
namespace {

bool standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

using Key = std::tuple<std::string, std::string, std::string>;  // domain, name, overload
Key key_of(const std::string& domain, const std::string& name, const std::string& overload) {
  return {standard(domain) ? "" : domain, name, overload};
}

// What a graph with all its bodies calls, as often as it calls it; and how many nodes it has.
struct Calls {
  std::map<size_t, int64_t> functions;
  int64_t nodes = 0;
};

class Inliner {
 public:
  Inliner(ir::Model& model, PassContext& context) : model_(model), context_(context) {
    for (size_t i = 0; i < model.functions.size(); ++i) {
      const ir::Function& f = model.functions[i];
      index_.emplace(key_of(f.domain, f.name, f.overload), i);
    }
  }

  int run() {
    if (model_.functions.empty()) return 0;
    check_size();
    align_versions();
    int total = 0;
    Names names(model_);
    // Each round replaces the calls that are there; what they bring in is replaced by the next.
    for (int depth = 0;; ++depth) {
      if (depth > limits::kFunctionDepth) fail_depth();
      const int changes = for_each_graph(model_, [&](ir::Graph& graph, const Scope* outer) {
        return inline_calls(graph, outer, names);
      });
      total += changes;
      if (changes == 0) break;
    }
    return total + drop_unused();
  }

 private:
  [[noreturn]] static void fail_depth() {
    base::fail(ErrorKind::kLimit, "E63", "functions call each other more than {} levels deep",
               limits::kFunctionDepth);
  }

  const size_t* find(const ir::Node& node) const {
    const auto it = index_.find(key_of(node.domain, node.op, node.overload));
    return it == index_.end() || blocked_.contains(it->second) ? nullptr : &it->second;
  }

  Calls calls_of(const ir::Graph& graph) const {
    Calls calls;
    std::vector<const ir::Graph*> stack{&graph};
    while (!stack.empty()) {
      const ir::Graph* g = stack.back();
      stack.pop_back();
      calls.nodes += static_cast<int64_t>(g->nodes.size());
      for (const ir::Node& node : g->nodes) {
        if (const size_t* f = find(node)) ++calls.functions[*f];
        for (const auto& body : ir::subgraphs(node)) stack.push_back(body.get());
      }
    }
    return calls;
  }

  // Nodes after all inlining, found before any is done: calls of calls may double at every level.
  void check_size() {
    std::vector<Calls> calls;
    for (const ir::Function& f : model_.functions) calls.push_back(calls_of(f.body));
    std::vector<int64_t> size(calls.size(), 0);
    std::vector<int> state(calls.size(), 0);  // 1: being counted, 2: counted
    const auto add = [](int64_t a, int64_t b, int64_t times) {
      const double sum =
          static_cast<double>(a) + static_cast<double>(b) * static_cast<double>(times);
      return sum > 1e15 ? int64_t{1'000'000'000'000'000} : a + b * times;
    };
    for (size_t start = 0; start < calls.size(); ++start) {
      std::vector<size_t> stack{start};
      while (!stack.empty()) {
        const size_t f = stack.back();
        if (state[f] == 2) {
          stack.pop_back();
          continue;
        }
        if (state[f] == 0) {
          state[f] = 1;
          for (const auto& [callee, times] : calls[f].functions) {
            if (state[callee] == 1)
              base::fail_input("E24", "function {} calls itself",
                               base::quoted(model_.functions[callee].name));
            if (state[callee] == 0) stack.push_back(callee);
          }
          if (stack.back() != f) continue;
        }
        size[f] = calls[f].nodes;
        for (const auto& [callee, times] : calls[f].functions)
          size[f] = add(size[f], size[callee], times);
        state[f] = 2;
        stack.pop_back();
      }
    }
    const Calls main = calls_of(model_.graph);
    int64_t total = main.nodes;
    for (const auto& [callee, times] : main.functions) total = add(total, size[callee], times);
    if (total > limits::kNodes)
      base::fail(ErrorKind::kLimit, "E60",
                 "the model has more than {} nodes once its functions are inlined", limits::kNodes);
  }

  // Brings model and functions to one opset; functions for which that fails stay calls.
  void align_versions() {
    int64_t newest = model_.opset();
    for (const ir::Function& f : model_.functions)
      for (const auto& [domain, version] : f.opsets)
        if (standard(domain)) newest = std::max(newest, version);
    if (newest > model_.opset()) {
      const Raised raised = raise_opset(model_, newest);
      if (!raised.done) context_.note(raised.reason);
    }
    for (size_t i = 0; i < model_.functions.size(); ++i) {
      std::string why;
      if (!align(model_.functions[i], why)) {
        blocked_.insert(i);
        context_.note(fmt::format("function {} is not inlined: {}",
                                  base::quoted(model_.functions[i].name), why));
      }
    }
  }

  bool align(ir::Function& f, std::string& why) {
    for (const auto& [domain, version] : f.opsets) {
      const int64_t here = model_.opset(domain);
      if (here == version) continue;
      if (here == 0) {
        model_.opsets[domain] = version;
      } else if (standard(domain) && version < here) {
        ir::Model alone;
        alone.opsets = f.opsets;
        alone.graph = f.body;
        alone.functions = model_.functions;
        const Raised raised = raise_opset(alone, here);
        if (!raised.done) {
          why = raised.reason;
          return false;
        }
        f.body = std::move(alone.graph);
      } else {
        why = fmt::format("it uses version {} of {}, the model {}", version,
                          domain.empty() ? "ai.onnx" : base::printable(domain), here);
        return false;
      }
    }
    for (auto& [domain, version] : f.opsets) version = model_.opset(domain);
    return true;
  }

  int inline_calls(ir::Graph& graph, const Scope* outer, Names& names) {
    int changes = 0;
    Editor g(graph, names, outer);
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      const size_t* f = find(g.node(n));
      if (!f) continue;
      if (!context_.step()) break;
      expand(g, n, model_.functions[*f], names);
      ++changes;
    }
    if (changes > 0) g.finish();
    return changes;
  }

  // Attributes of an inner node with references replaced; new names for what its bodies capture.
  static std::vector<ir::Attribute> resolved(const std::vector<ir::Attribute>& attributes,
                                             const ir::Node& call, const ir::Function& f,
                                             const std::map<std::string, std::string>& renamed,
                                             Names& names, int depth) {
    if (depth > limits::kGraphNesting)
      base::fail(ErrorKind::kLimit, "E63", "graphs are nested deeper than {}",
                 limits::kGraphNesting);
    std::vector<ir::Attribute> result;
    const auto body = [&](const ir::Attribute::GraphPtr& graph) {
      auto copy = std::make_shared<ir::Graph>(*graph);
      std::map<std::string, std::string> inner = renamed;
      std::vector<bool> captured(copy->values.size(), false);
      for (ir::ValueId v : copy->captures) captured[v] = true;
      for (size_t v = 0; v < copy->values.size(); ++v) {
        ir::Value& value = copy->values[v];
        if (captured[v]) {
          if (const auto it = renamed.find(value.name); it != renamed.end())
            value.name = it->second;
        } else {
          std::string name = names.fresh(value.name);
          inner[value.name] = name;
          value.name = std::move(name);
        }
      }
      for (ir::Node& node : copy->nodes)
        node.attributes = resolved(node.attributes, call, f, inner, names, depth + 1);
      return ir::Attribute::GraphPtr(std::move(copy));
    };
    for (ir::Attribute a : attributes) {
      if (const auto* reference = std::get_if<ir::Attribute::Reference>(&a.data)) {
        const ir::Attribute* given = call.find(reference->name);
        if (!given) {
          const auto it = std::ranges::find(f.defaults, reference->name, &ir::Attribute::name);
          given = it == f.defaults.end() ? nullptr : &*it;
        }
        if (!given) continue;
        const ir::Attribute::Data data = given->data;
        a.data = data;
      } else if (auto* one = std::get_if<ir::Attribute::GraphPtr>(&a.data)) {
        *one = body(*one);
      } else if (auto* many = std::get_if<std::vector<ir::Attribute::GraphPtr>>(&a.data)) {
        for (auto& graph : *many) graph = body(graph);
      }
      result.push_back(std::move(a));
    }
    return result;
  }

  static void expand(Editor& g, ir::NodeId n, const ir::Function& f, Names& names) {
    const ir::Node call = g.node(n);
    const std::string prefix = (call.name.empty() ? f.name : call.name) + "/";
    g.remove(n);
    // Values of the function -> values of the graph.
    std::map<ir::ValueId, ir::ValueId> place;
    place[ir::kNone] = ir::kNone;
    for (size_t i = 0; i < f.body.inputs.size(); ++i) place[f.body.inputs[i]] = call.input(i);
    std::vector<std::pair<ir::ValueId, ir::ValueId>>
        copies;  // outputs that are inputs, or given twice
    for (size_t i = 0; i < f.body.outputs.size(); ++i) {
      const ir::ValueId out = call.output(i);
      if (out == ir::kNone) continue;
      if (!place.emplace(f.body.outputs[i], out).second)
        copies.emplace_back(f.body.outputs[i], out);
    }
    for (size_t v = 0; v < f.body.values.size(); ++v) {
      const auto id = static_cast<ir::ValueId>(v);
      if (place.contains(id)) continue;
      const ir::Value& value = f.body.values[v];
      place[id] = value.constant ? g.add_constant(prefix + value.name, *value.constant)
                                 : g.add_value(prefix + value.name, value.type);
    }
    // Some runtimes refuse two nodes of one name.
    std::set<std::string> taken;
    for (const ir::Node& node : g.graph().nodes) taken.insert(node.name);
    const auto own_name = [&](const std::string& wish) {
      std::string name = prefix + wish;
      for (int i = 2; !taken.insert(name).second; ++i)
        name = prefix + wish + "_" + std::to_string(i);
      return name;
    };
    std::map<std::string, std::string> renamed;
    for (size_t v = 0; v < f.body.values.size(); ++v)
      if (const ir::ValueId id = place[static_cast<ir::ValueId>(v)]; id != ir::kNone)
        renamed[f.body.values[v].name] = g.value(id).name;
    for (const ir::Node& inner : f.body.nodes) {
      ir::Node copy = inner;
      copy.name = own_name(inner.name.empty() ? inner.op : inner.name);
      copy.origin = "inline_functions";
      for (ir::ValueId& v : copy.inputs) v = place[v];
      while (!copy.inputs.empty() && copy.inputs.back() == ir::kNone) copy.inputs.pop_back();
      for (ir::ValueId& v : copy.outputs) v = place[v];
      copy.attributes = resolved(inner.attributes, call, f, renamed, names, 1);
      g.insert_before(n, std::move(copy));
    }
    for (const auto& [from, to] : copies) {
      ir::Node identity;
      identity.name = own_name("Identity");
      identity.op = "Identity";
      identity.origin = "inline_functions";
      identity.inputs = {place[from]};
      identity.outputs = {to};
      g.insert_before(n, std::move(identity));
    }
  }

  // Functions that nobody calls any more go.
  int drop_unused() {
    std::vector<bool> called(model_.functions.size(), false);
    std::vector<size_t> stack;
    const auto mark = [&](const ir::Graph& graph) {
      std::vector<const ir::Graph*> graphs{&graph};
      while (!graphs.empty()) {
        const ir::Graph* g = graphs.back();
        graphs.pop_back();
        for (const ir::Node& node : g->nodes) {
          const auto it = index_.find(key_of(node.domain, node.op, node.overload));
          if (it != index_.end() && !called[it->second]) {
            called[it->second] = true;
            stack.push_back(it->second);
          }
          for (const auto& body : ir::subgraphs(node)) graphs.push_back(body.get());
        }
      }
    };
    mark(model_.graph);
    while (!stack.empty()) {
      const size_t f = stack.back();
      stack.pop_back();
      mark(model_.functions[f].body);
    }
    std::vector<ir::Function> kept;
    for (size_t i = 0; i < called.size(); ++i)
      if (called[i]) kept.push_back(std::move(model_.functions[i]));
    const int dropped = static_cast<int>(called.size() - kept.size());
    model_.functions = std::move(kept);
    return dropped;
  }

  ir::Model& model_;
  PassContext& context_;
  std::map<Key, size_t> index_;
  std::set<size_t> blocked_;
};

}  // namespace

int inline_functions(ir::Model& model, PassContext& context) {
  return Inliner(model, context).run();
}

}  // namespace tersor::passes
