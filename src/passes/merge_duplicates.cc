// The same computation, written twice, is done once.
//
//   before   y = f<a>(x), z = f<a>(x)
//   after    readers of z read y
//   when     f is deterministic, known, holds no bodies or tensors and makes one output; f is
//   neither QuantizeLinear nor
//            DequantizeLinear: runtimes want one for each reader
//   exact    equal inputs and attributes give equal results
#include <fmt/format.h>

#include <map>
#include <string>

#include "ops/operator.h"
#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

// Everything that decides the result, as one string; nullopt for attributes of other kinds.
std::optional<std::string> key_of(const ir::Node& node) {
  std::map<std::string, std::string> attributes;
  const auto list = [](const auto& values) { return fmt::format("[{}]", fmt::join(values, ",")); };
  for (const ir::Attribute& a : node.attributes) {
    std::string text;
    if (const auto* i = std::get_if<int64_t>(&a.data))
      text = fmt::format("i{}", *i);
    else if (const auto* f = std::get_if<float>(&a.data))
      text = fmt::format("f{:a}", *f);
    else if (const auto* s = std::get_if<std::string>(&a.data))
      text = "s" + *s;
    else if (const auto* v = std::get_if<std::vector<int64_t>>(&a.data))
      text = "I" + list(*v);
    else
      return {};
    attributes[a.name] = text;
  }
  std::string key = node.domain + '\0' + node.op + '\0' + node.overload + '\0' + list(node.inputs);
  for (const auto& [name, text] : attributes) key += '\0' + name + '\0' + text;
  return key;
}

}  // namespace

int merge_duplicates(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    std::map<std::string, ir::ValueId> seen;
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      const ir::Node& node = g.node(n);
      if (node.outputs.size() != 1 || node.outputs[0] == ir::kNone || node.inputs.empty() ||
          node.op == "QuantizeLinear" || node.op == "DequantizeLinear")
        continue;
      const ops::Operator* op = ops::find(node.domain, node.op, model.opset(node.domain));
      if (!op || !op->deterministic) continue;
      const std::optional<std::string> key = key_of(node);
      if (!key) continue;
      const auto [it, fresh] = seen.emplace(*key, node.outputs[0]);
      if (fresh || !g.can_bypass(n, it->second)) continue;
      if (!context.step()) break;
      const ir::ValueId out = node.outputs[0];
      const bool renamed = g.is_output(out);
      g.bypass(n, it->second);
      if (renamed) it->second = out;
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
