#include "ops/infer.h"

#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"

namespace tersor::ops {
namespace {

using Names = std::unordered_map<std::string, ir::Type>;
using Constants = std::unordered_map<std::string, const Tensor*>;

std::string describe(const ir::Node& node) {
  return fmt::format("node {} ({})", base::quoted(node.name), base::printable(node.op));
}

// What is declared in the file fills what inference left open; contradictions are errors.
void merge(ir::Type& inferred, const ir::Type& declared, const std::string& name) {
  if (declared.kind != ir::Type::Kind::kTensor) {
    if (inferred.kind == ir::Type::Kind::kUnknown) inferred = declared;
    return;
  }
  if (inferred.kind == ir::Type::Kind::kUnknown) {
    inferred = declared;
    return;
  }
  if (inferred.elem == DType::kUndefined) inferred.elem = declared.elem;
  if (declared.elem != DType::kUndefined && declared.elem != inferred.elem)
    base::fail_input("E16", "value {} is declared as {} but computed as {}", base::quoted(name),
                     tensor::name(declared.elem), tensor::name(inferred.elem));
  if (!declared.shape) return;
  if (!inferred.shape) {
    inferred.shape = declared.shape;
    return;
  }
  // Files in the wild carry stale value_info; the computed shape wins over it.
  if (inferred.shape->size() != declared.shape->size()) return;
  for (size_t i = 0; i < declared.shape->size(); ++i) {
    ir::Dim& here = (*inferred.shape)[i];
    const ir::Dim& said = (*declared.shape)[i];
    if (!here.known() && (said.known() || (here.symbol.empty() && !said.symbol.empty())))
      here = said;
  }
}

struct Scope {
  const Names* types = nullptr;
  const Constants* constants = nullptr;
  const Scope* outer = nullptr;
};

class Inference {
 public:
  explicit Inference(const ir::Model& model) : model_(model) {}

  // Types of all values of `graph`; `given` are those of its formal inputs (may be fewer).
  std::vector<ir::Type> run(const ir::Graph& graph, std::span<const ir::Type> given,
                            const Scope* outer, int depth) {
    if (depth > limits::kGraphNesting)
      base::fail(ErrorKind::kLimit, "E63", "graphs are nested deeper than {}",
                 limits::kGraphNesting);
    std::vector<ir::Type> types(graph.values.size());
    Names names;
    Constants constants;
    for (size_t v = 0; v < types.size(); ++v) {
      const ir::Value& value = graph.values[v];
      if (value.constant) {
        types[v] = ir::Type::tensor(value.constant->dtype(), ir::to_shape(value.constant->dims()));
        constants.emplace(value.name, &*value.constant);
      }
    }
    for (size_t i = 0; i < graph.inputs.size(); ++i) {
      const ir::ValueId id = graph.inputs[i];
      if (graph.values[id].constant) continue;
      if (i < given.size()) types[id] = given[i];
      merge(types[id], graph.values[id].type, graph.values[id].name);
    }
    for (ir::ValueId id : graph.captures) {
      const std::string& name = graph.values[id].name;
      for (const Scope* s = outer; s; s = s->outer) {
        if (const auto it = s->types->find(name); it != s->types->end()) {
          types[id] = it->second;
          if (const auto c = s->constants->find(name); c != s->constants->end())
            constants.emplace(name, c->second);
          break;
        }
      }
    }
    for (size_t v = 0; v < types.size(); ++v)
      if (types[v].kind != ir::Type::Kind::kUnknown) names.emplace(graph.values[v].name, types[v]);

    const Scope scope{&names, &constants, outer};
    const InferContext::InferBody body = [&](const ir::Graph& inner,
                                             std::span<const ir::Type> inputs) {
      const std::vector<ir::Type> all = run(inner, inputs, &scope, depth + 1);
      std::vector<ir::Type> out;
      for (ir::ValueId id : inner.outputs) out.push_back(all[id]);
      return out;
    };
    for (const ir::Node& node : graph.nodes) {
      std::vector<const ir::Type*> inputs;
      std::vector<const Tensor*> values;
      for (ir::ValueId id : node.inputs) {
        inputs.push_back(id == ir::kNone ? nullptr : &types[id]);
        const Tensor* known = graph.constant(id);
        if (!known && id != ir::kNone)
          if (const auto it = constants.find(graph.values[id].name); it != constants.end())
            known = it->second;
        values.push_back(known);
      }
      std::vector<ir::Type> outputs(node.outputs.size());
      const int64_t version = model_.opset(node.domain);
      if (const Operator* op = ops::find(node.domain, node.op, version)) {
        base::with_frame(
            [&] {
              if (op->max_inputs > 0 && node.inputs.size() > op->max_inputs)
                base::fail_input("E15", "it has {} inputs; {} takes {}", node.inputs.size(),
                                 op->name, op->max_inputs);
              InferContext c(node, static_cast<int>(version), inputs, values, outputs, body);
              op->infer(c);
            },
            [&] { return describe(node); });
      }
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const ir::ValueId id = node.outputs[i];
        if (id == ir::kNone) continue;
        const ir::Value& value = graph.values[id];
        types[id] = std::move(outputs[i]);
        merge(types[id], value.type, value.name);
        names[value.name] = types[id];
      }
    }
    return types;
  }

 private:
  const ir::Model& model_;
};

}  // namespace

void infer_shapes(ir::Model& model) {
  std::vector<ir::Type> types = Inference(model).run(model.graph, {}, nullptr, 0);
  for (size_t v = 0; v < types.size(); ++v) {
    ir::Value& value = model.graph.values[v];
    if (value.constant || types[v].kind == ir::Type::Kind::kUnknown) continue;
    // What a file says of sequences and optionals is more than is computed of them.
    if (value.declared && value.type.kind == ir::Type::Kind::kOther) continue;
    value.type = std::move(types[v]);
  }
}

}  // namespace tersor::ops
