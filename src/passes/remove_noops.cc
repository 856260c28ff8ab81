// Nodes whose result is their input go.
//
//   before   y = f(x), f one of the operators of the table below
//   after    readers of y read x; where y is a graph output, the node that makes x makes it under
//   y's name when     the rule of f holds; y is no graph output, or x is made by a node and is no
//   graph output itself exact    every rule states that y equals x element by element (x + 0 makes
//   +0 of -0, which compare equal)
#include <algorithm>
#include <array>
#include <limits>

#include "passes/constants.h"
#include "passes/editor.h"
#include "passes/passes.h"
#include "passes/shapes.h"

namespace tersor::passes {
namespace {

// Which input the first output equals, or kNone.
using Rule = ir::ValueId (*)(const Editor&, const ir::Node&);

ir::ValueId first(const Editor&, const ir::Node& node) { return node.input(0); }

ir::ValueId only_input(const Editor&, const ir::Node& node) {
  return node.inputs.size() == 1 ? node.input(0) : ir::kNone;
}

ir::ValueId dropout(const Editor& g, const ir::Node& node) {
  for (size_t i = 1; i < node.outputs.size(); ++i)
    if (node.outputs[i] != ir::kNone &&
        (!g.readers(node.outputs[i]).empty() || g.is_output(node.outputs[i])))
      return ir::kNone;
  const ir::ValueId mode = node.input(2);
  if (mode == ir::kNone) return node.input(0);
  const Tensor* training = g.constant(mode);
  return training && training->count() == 1 && tensor::as_int64(*training, 0) == 0 ? node.input(0)
                                                                                   : ir::kNone;
}

ir::ValueId cast(const Editor& g, const ir::Node& node) {
  const auto to = static_cast<DType>(node.attr_int("to", 0));
  return to != DType::kUndefined && g.type(node.input(0)).elem == to ? node.input(0) : ir::kNone;
}

ir::ValueId cast_like(const Editor& g, const ir::Node& node) {
  return same_elem(g.type(node.input(0)), g.type(node.input(1))) ? node.input(0) : ir::kNone;
}

// Operators that keep the order of the elements: equal shapes mean equal tensors.
ir::ValueId same_elements(const Editor& g, const ir::Node& node) {
  return same_shape(g.type(node.input(0)), g.type(node.output(0))) ? node.input(0) : ir::kNone;
}

// The same through a chain of such operators: Squeeze of Unsqueeze, Reshape back and forth.
ir::ValueId view(const Editor& g, const ir::Node& node) {
  constexpr std::array kViews{"Reshape", "Flatten", "Squeeze", "Unsqueeze"};
  ir::ValueId v = node.input(0), found = ir::kNone;
  for (int depth = 0; depth < 16 && v != ir::kNone; ++depth) {
    if (same_shape(g.type(v), g.type(node.output(0)))) found = v;
    const ir::NodeId maker = g.producer(v);
    if (maker == ir::kNone ||
        std::ranges::none_of(kViews, [&](const char* op) { return g.is(maker, op); }))
      break;
    v = g.node(maker).input(0);
  }
  return found;
}

ir::ValueId transpose(const Editor& g, const ir::Node& node) {
  const std::vector<int64_t> perm = node.attr_ints("perm");
  if (perm.empty()) {
    const int rank = g.type(node.input(0)).rank();
    return rank == 0 || rank == 1 ? node.input(0) : ir::kNone;
  }
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return ir::kNone;
  return node.input(0);
}

// x op c with every element of the constant c equal to `neutral`, and x not broadcast by it.
ir::ValueId neutral(const Editor& g, const ir::Node& node, size_t x, double neutral) {
  const Tensor* c = g.constant(node.input(1 - x));
  if (!c || c->count() > 4096 || !all_equal(*c, neutral)) return ir::kNone;
  const ir::ValueId v = node.input(x);
  const ir::Type& type = g.type(v);
  const bool kept = c->rank() == 0 || (c->count() == 1 && type.rank() >= c->rank()) ||
                    (same_shape(type, g.type(node.output(0))));
  return kept && same_elem(type, ir::Type::tensor(c->dtype())) ? v : ir::kNone;
}

ir::ValueId add(const Editor& g, const ir::Node& node) {
  const ir::ValueId v = neutral(g, node, 0, 0);
  return v != ir::kNone ? v : neutral(g, node, 1, 0);
}
ir::ValueId mul(const Editor& g, const ir::Node& node) {
  const ir::ValueId v = neutral(g, node, 0, 1);
  return v != ir::kNone ? v : neutral(g, node, 1, 1);
}
ir::ValueId sub(const Editor& g, const ir::Node& node) { return neutral(g, node, 0, 0); }
ir::ValueId div(const Editor& g, const ir::Node& node) { return neutral(g, node, 0, 1); }

ir::ValueId pad(const Editor& g, const ir::Node& node) {
  const auto pads = node.inputs.size() > 1 ? integers(g.constant(node.input(1)))
                                           : std::optional(node.attr_ints("pads"));
  const bool none =
      pads && !pads->empty() && std::ranges::all_of(*pads, [](int64_t p) { return p == 0; });
  return none ? node.input(0) : ir::kNone;
}

ir::ValueId slice(const Editor& g, const ir::Node& node) {
  const bool attributes = node.inputs.size() == 1;
  const auto list = [&](size_t i, const char* name) {
    return attributes ? std::optional(node.attr_ints(name)) : integers(g.constant(node.input(i)));
  };
  const auto starts = list(1, "starts"), ends = list(2, "ends");
  if (!starts || !ends || starts->size() != ends->size()) return ir::kNone;
  if (node.input(4) != ir::kNone) {
    const Tensor* steps = g.constant(node.input(4));
    if (!steps || !all_equal(*steps, 1)) return ir::kNone;
  }
  const std::optional<std::vector<int64_t>> axes =
      node.input(3) == ir::kNone && !node.has("axes") ? std::vector<int64_t>{} : list(3, "axes");
  const ir::Type& type = g.type(node.input(0));
  if (!axes || (!axes->empty() && axes->size() != starts->size())) return ir::kNone;
  for (size_t i = 0; i < starts->size(); ++i) {
    if ((*starts)[i] != 0) return ir::kNone;
    // Ends at the largest number mean "to the end", whatever the dimension is.
    if ((*ends)[i] >= std::numeric_limits<int32_t>::max()) continue;
    int64_t axis = axes->empty() ? static_cast<int64_t>(i) : (*axes)[i];
    if (axis < 0) axis += type.rank();
    if (axis < 0 || axis >= type.rank()) return ir::kNone;
    const ir::Dim& d = (*type.shape)[static_cast<size_t>(axis)];
    if (!d.known() || (*ends)[i] < d.value) return ir::kNone;
  }
  return node.input(0);
}

ir::ValueId split(const Editor& g, const ir::Node& node) {
  return node.outputs.size() == 1 ? same_elements(g, node) : ir::kNone;
}

ir::ValueId clip(const Editor&, const ir::Node& node) {
  const bool bounded = node.has("min") || node.has("max") || node.input(1) != ir::kNone ||
                       node.input(2) != ir::kNone;
  return bounded ? ir::kNone : node.input(0);
}

ir::ValueId relu(const Editor& g, const ir::Node& node) {
  return g.made_by(node.input(0), "Relu") != ir::kNone ? node.input(0) : ir::kNone;
}

struct Row {
  const char* op;
  Rule rule;
};
constexpr std::array kTable{
    Row{"Identity", first},
    Row{"Dropout", dropout},
    Row{"Cast", cast},
    Row{"CastLike", cast_like},
    Row{"Reshape", view},
    Row{"Flatten", view},
    Row{"Squeeze", view},
    Row{"Unsqueeze", view},
    Row{"Expand", same_elements},
    Row{"Tile", same_elements},
    Row{"Transpose", transpose},
    Row{"Add", add},
    Row{"Sub", sub},
    Row{"Mul", mul},
    Row{"Div", div},
    Row{"Pad", pad},
    Row{"Slice", slice},
    Row{"Split", split},
    Row{"Concat", only_input},
    Row{"Sum", only_input},
    Row{"Max", only_input},
    Row{"Min", only_input},
    Row{"Mean", only_input},
    Row{"Clip", clip},
    Row{"Relu", relu},
};

}  // namespace

int remove_noops(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      if (!g.alive(n) || g.node(n).output(0) == ir::kNone) continue;
      const auto row = std::ranges::find_if(kTable, [&](const Row& r) { return g.is(n, r.op); });
      if (row == kTable.end()) continue;
      const ir::ValueId v = row->rule(g, g.node(n));
      if (v == ir::kNone || !g.can_bypass(n, v)) continue;
      if (!context.step()) break;
      g.bypass(n, v);
      ++rewrites;
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
