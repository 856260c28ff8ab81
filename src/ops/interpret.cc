// Runs graphs by the operators' references.
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "ops/infer.h"

namespace tersor::ops {
namespace {

using Scope = std::unordered_map<std::string, Tensor>;

class Interpreter {
 public:
  explicit Interpreter(const ir::Model& model) : model_(model) {}

  std::vector<Tensor> node(const ir::Node& node, std::span<const Tensor* const> inputs,
                           const ComputeContext::RunBody& body) {
    const int64_t version = model_.opset(node.domain);
    const Operator* op = ops::find(node.domain, node.op, version);
    if (!op) fail_unknown(node);
    std::vector<Tensor> outputs(node.outputs.size());
    base::with_frame(
        [&] {
          ComputeContext c{node, static_cast<int>(version), inputs, outputs, body, {}};
          op->reference(c);
        },
        [&] {
          return fmt::format("node {} ({})", base::quoted(node.name), base::printable(node.op));
        });
    return outputs;
  }

  std::vector<Tensor> graph(const ir::Graph& graph, std::span<const Tensor> inputs, int depth) {
    if (depth > limits::kGraphNesting)
      base::fail(ErrorKind::kLimit, "E63", "graphs are nested deeper than {}",
                 limits::kGraphNesting);
    std::vector<Tensor> values(graph.values.size());
    for (size_t v = 0; v < values.size(); ++v)
      if (graph.values[v].constant) values[v] = *graph.values[v].constant;
    const auto required = graph.required_inputs();
    const auto& formal = graph.captures.empty() ? required : graph.inputs;
    if (inputs.size() < formal.size())
      base::fail_input("E25", "{} inputs are needed, {} were given", formal.size(), inputs.size());
    for (size_t i = 0; i < formal.size(); ++i) values[formal[i]] = inputs[i];
    for (size_t i = 0; i < graph.captures.size(); ++i) {
      const ir::ValueId id = graph.captures[i];
      if (formal.size() + i < inputs.size()) {
        values[id] = inputs[formal.size() + i];
        continue;
      }
      for (size_t s = scopes_.size(); s-- > 0;)
        if (const auto it = scopes_[s].find(graph.values[id].name); it != scopes_[s].end()) {
          values[id] = it->second;
          break;
        }
    }
    for (const ir::Node& n : graph.nodes) {
      std::vector<const Tensor*> in;
      for (ir::ValueId id : n.inputs)
        in.push_back(id == ir::kNone || !values[id].defined() ? nullptr : &values[id]);
      const bool bodies = !ir::subgraphs(n).empty();
      if (bodies) {
        Scope& scope = scopes_.emplace_back();
        for (size_t v = 0; v < values.size(); ++v)
          if (values[v].defined()) scope.emplace(graph.values[v].name, values[v]);
      }
      const ComputeContext::RunBody run = [&](const ir::Graph& body, std::span<const Tensor> args) {
        return this->graph(body, args, depth + 1);
      };
      std::vector<Tensor> out = node(n, in, run);
      if (bodies) scopes_.pop_back();
      for (size_t i = 0; i < n.outputs.size(); ++i)
        if (n.outputs[i] != ir::kNone) values[n.outputs[i]] = std::move(out[i]);
    }
    std::vector<Tensor> results;
    for (ir::ValueId id : graph.outputs) results.push_back(values[id]);
    return results;
  }

 private:
  const ir::Model& model_;
  std::vector<Scope> scopes_;
};

}  // namespace

std::vector<Tensor> interpret(const ir::Node& node, const ir::Model& model,
                              std::span<const Tensor* const> inputs) {
  Interpreter interpreter(model);
  const ComputeContext::RunBody body = [&](const ir::Graph& g, std::span<const Tensor> args) {
    return interpreter.graph(g, args, 1);
  };
  return interpreter.node(node, inputs, body);
}

std::vector<Tensor> interpret(const ir::Graph& graph, const ir::Model& model,
                              std::span<const Tensor> inputs) {
  return Interpreter(model).graph(graph, inputs, 0);
}

}  // namespace tersor::ops
