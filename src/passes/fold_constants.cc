// What depends on constants only is computed now.
//
//   before   y = f(a, b) with initializers a, b; or y an integer vector that inference knows (Shape
//   of static
//            dimensions and arithmetic on it)
//   after    y is an initializer (a Constant node where y is a graph output)
//   when     f is deterministic, holds no body, is no DequantizeLinear (that would undo a quantized
//   weight), and the weights
//            grow by no more than Options::folding_growth in all
//   exact    f's own reference computes y
#include <algorithm>

#include "base/error.h"
#include "ops/infer.h"
#include "passes/constants.h"
#include "passes/editor.h"
#include "passes/passes.h"
#include "passes/shapes.h"

namespace tersor::passes {
namespace {

// Operators whose result may have any size, known only by running them, are run on inputs up to
// this.
constexpr size_t kUnboundedInputBytes = size_t{1} << 20;

const ops::Operator* foldable(const ir::Model& model, const Editor& g, const ir::Node& node) {
  if (node.inputs.empty() || node.op == "DequantizeLinear" || !ir::subgraphs(node).empty())
    return nullptr;
  for (ir::ValueId v : node.inputs)
    if (v != ir::kNone && !g.constant(v)) return nullptr;
  const ops::Operator* op = ops::find(node.domain, node.op, model.opset(node.domain));
  return op && op->deterministic && op->reference ? op : nullptr;
}

// Bytes of the outputs before they are computed; nullopt if inference does not know.
std::optional<size_t> output_bytes(const ir::Model& model, const Editor& g, const ir::Node& node,
                                   const ops::Operator& op) {
  std::vector<ir::Type> types(node.inputs.size());
  std::vector<const ir::Type*> inputs;
  std::vector<const Tensor*> constants;
  for (size_t i = 0; i < types.size(); ++i) {
    const Tensor* t = g.constant(node.inputs[i]);
    if (t) types[i] = ir::Type::tensor(t->dtype(), ir::to_shape(t->dims()));
    inputs.push_back(t ? &types[i] : nullptr);
    constants.push_back(t);
  }
  std::vector<ir::Type> outputs(node.outputs.size());
  const ops::InferContext::InferBody no_body;
  ops::InferContext c(node, static_cast<int>(model.opset(node.domain)), inputs, constants, outputs,
                      no_body);
  op.infer(c);
  size_t bytes = 0;
  for (const ir::Type& type : outputs) {
    if (type.kind != ir::Type::Kind::kTensor || !type.shape || type.elem == DType::kUndefined)
      return {};
    const std::optional<Dims> dims = ir::to_dims(*type.shape);
    if (!dims) return {};
    bytes = base::checked_add(bytes, tensor::byte_size(type.elem, base::element_count(*dims)));
  }
  return bytes;
}

// Bytes of the constants that nobody else reads, and of all.
std::pair<int64_t, size_t> input_bytes(const Editor& g, const ir::Node& node) {
  int64_t freed = 0;
  size_t all = 0;
  for (ir::ValueId v : node.inputs) {
    if (v == ir::kNone) continue;
    const size_t bytes = g.constant(v)->bytes();
    all += bytes;
    if (g.graph().constant(v) && g.used_once(v)) freed += static_cast<int64_t>(bytes);
  }
  return {freed, all};
}

// Puts the value in place of the node.
void place(Editor& g, ir::NodeId n, std::vector<Tensor> results) {
  const std::vector<ir::ValueId> outputs = g.node(n).outputs;
  const bool public_output = outputs.size() == 1 && g.is_output(outputs[0]);
  if (public_output) {
    g.set_inputs(n, {});
    g.node(n).op = "Constant";
    g.node(n).domain.clear();
    g.node(n).attributes.clear();
    g.node(n).set("value", std::move(results[0]));
    g.node(n).origin = "fold_constants";
    return;
  }
  g.remove(n);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i] != ir::kNone) g.set_constant(outputs[i], std::move(results[i]));
}

// The value of an integer vector whose elements inference knows.
std::optional<Tensor> known_contents(const ir::Type& type) {
  if (!type.contents || (type.elem != DType::kInt64 && type.elem != DType::kInt32) || !type.shape)
    return {};
  const std::optional<Dims> dims = ir::to_dims(*type.shape);
  if (!dims || base::element_count(*dims) != static_cast<int64_t>(type.contents->size())) return {};
  std::vector<int64_t> numbers;
  for (const ir::Dim& d : *type.contents) {
    const std::optional<int64_t> n = number(d);
    if (!n) return {};
    numbers.push_back(*n);
  }
  return tensor::cast(Tensor::of<int64_t>(*dims, numbers), type.elem);
}

}  // namespace

int fold_constants(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) {
      const ir::Node& node = g.node(n);
      const size_t made = node.outputs.size();
      if (made == 0 || (made > 1 && std::ranges::any_of(node.outputs, [&](ir::ValueId v) {
                          return v != ir::kNone && g.is_output(v);
                        })))
        continue;
      if (made == 1 && node.outputs[0] != ir::kNone && !node.inputs.empty()) {
        if (std::optional<Tensor> value = known_contents(g.value(node.outputs[0]).type)) {
          if (!context.step()) return rewrites;
          std::vector<Tensor> results{std::move(*value)};
          place(g, n, std::move(results));
          ++rewrites;
          continue;
        }
      }
      const ops::Operator* op = foldable(model, g, node);
      if (!op) continue;
      const auto [freed, read] = input_bytes(g, node);
      try {
        const std::optional<size_t> bytes = output_bytes(model, g, node, *op);
        const auto growth = static_cast<int64_t>(bytes.value_or(0)) - freed;
        if (bytes ? growth > context.folding_left() : read > kUnboundedInputBytes) {
          context.note(fmt::format("{} ({}) is not computed ahead: the weights would grow too much",
                                   base::quoted(node.name), base::printable(node.op)));
          continue;
        }
        std::vector<const Tensor*> inputs;
        for (ir::ValueId v : node.inputs) inputs.push_back(g.constant(v));
        std::vector<Tensor> results = ops::interpret(node, model, inputs);
        int64_t added = -freed;
        for (const Tensor& t : results) added += static_cast<int64_t>(t.bytes());
        const bool complete = std::ranges::all_of(results, &Tensor::defined);
        if (!complete || added > context.folding_left()) continue;
        if (!context.step()) return rewrites;
        context.use_folding(added);
        place(g, n, std::move(results));
        ++rewrites;
      } catch (const Error& error) {
        // The node stays, and whoever runs it gets the error.
        context.note(fmt::format("{} ({}) cannot be computed ahead: {}", base::quoted(node.name),
                                 base::printable(node.op), error.sentence()));
      }
    }
    return rewrites;
  });
}

}  // namespace tersor::passes
