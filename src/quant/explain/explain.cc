#include "quant/explain/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "ops/operator.h"
#include "quant/analysis.h"
#include "quant/explain/notes.h"
#include "quant/targets/view.h"

namespace tersor::quant {
namespace {

// Of the value that a QuantizeLinear reads.
std::string why(const ir::Model& model, const GraphView& view, ir::ValueId id,
                const Quantizer& own) {
  const ir::Node* maker = view.maker(id);
  if (!maker) return "input of the model";
  if (clip_bounds(view.graph, *maker)) return fmt::format("it ends a {}", maker->op);
  const ops::Operator* op = ops::find(maker->domain, maker->op, model.opset(maker->domain));
  if (op && op->traits.quant == ops::QuantClass::kMoves)
    if (const Quantizer* from = view.quantizer_of(maker->input(0));
        from && !from->quantizes && from->scale && own.scale && from->scale->count() == 1 &&
        own.scale->count() == 1 &&
        tensor::as_double(*from->scale, 0) == tensor::as_double(*own.scale, 0))
      if (const ir::Node* q = view.maker(view.graph.nodes[from->node].input(0)))
        return fmt::format("shares the format of {}, whose values it moves",
                           base::quoted(view.name(q->input(0))));
  if (op && op->traits.fixed_range)
    return fmt::format("a {} gives {} to {}", maker->op, op->traits.fixed_range->first,
                       op->traits.fixed_range->second);
  return "output of a " + base::printable(maker->op);
}

ValueExplanation value(const ir::Model& model, const GraphView& view, const Quantizer& q) {
  const ir::Node& node = view.graph.nodes[q.node];
  ValueExplanation v;
  v.tensor = view.name(node.inputs[0]);
  if (const ir::Node* maker = view.maker(node.inputs[0])) v.node = maker->name, v.op = maker->op;
  v.dtype = tensor::name(q.dtype);
  v.why = why(model, view, node.inputs[0], q);
  if (q.scale && q.scale->count() > 0) v.scale = tensor::as_double(*q.scale, 0);
  if (q.zero && q.zero->count() > 0 && tensor::is_integer(q.zero->dtype()))
    v.zero_point = tensor::as_int64(*q.zero, 0);
  if (tensor::is_integer(q.dtype) && tensor::bits(q.dtype) <= 32) {
    v.lo = static_cast<double>(tensor::lowest(q.dtype) - v.zero_point) * v.scale;
    v.hi = static_cast<double>(tensor::highest(q.dtype) - v.zero_point) * v.scale;
  }
  return v;
}

std::string type_of(const GraphView& view, ir::ValueId id) {
  if (const Quantizer* q = view.dequantized(id)) return tensor::name(q->dtype);
  const Tensor* t = view.graph.constant(id);
  return t ? tensor::name(t->dtype()) : "";
}

LayerExplanation layer(const GraphView& view, const ir::Node& node) {
  LayerExplanation l;
  l.node = node.name.empty() ? view.name(node.output(0)) : node.name;
  l.op = node.op;
  l.weights = type_of(view, node.input(1));
  l.bias = type_of(view, node.input(2));
  const Quantizer* w = view.dequantized(node.input(1));
  l.quantized = w != nullptr && view.dequantized(node.input(0));
  if (!w || !w->scale) return l;
  if (w->block > 0)
    l.weights += fmt::format(", blocks of {} along axis {}", w->block, w->axis);
  else if (w->scale->count() > 1)
    l.weights += fmt::format(", {} scales along axis {}", w->scale->count(), w->axis);
  else
    l.weights += ", one scale";
  if (!l.quantized) l.reason = "weights alone are quantized";
  return l;
}

}  // namespace

Explanation explain(const ir::Model& model) {
  const GraphView view(model, model.graph);
  const Notes notes = read_notes(model);
  Explanation e;
  e.version = notes.version;
  e.recipe = notes.recipe;
  e.source = notes.source;
  e.data = notes.data;
  e.fingerprint = notes.fingerprint;
  e.samples = notes.samples;
  e.synthetic = notes.synthetic;
  e.changed = notes.changed;
  const auto values = values_of(model), layers = layers_of(model);
  for (size_t i = 0; i < values.size(); ++i) {
    e.values.push_back(value(model, view, *view.quantizer(values[i])));
    if (i >= notes.values.size() || !notes.values[i]) continue;
    e.values.back().min = notes.values[i]->min;
    e.values.back().max = notes.values[i]->max;
    e.values.back().clipped_share = notes.values[i]->clipped_share;
  }
  size_t next = 0;
  for (size_t n = 0; n < model.graph.nodes.size(); ++n) {
    const ir::Node& node = model.graph.nodes[n];
    if (!multiplies(node) || !view.is_constant(node.input(1)) || node.output(0) == ir::kNone)
      continue;
    e.layers.push_back(layer(view, node));
    LayerExplanation& l = e.layers.back();
    if (next < layers.size() && layers[next] == static_cast<ir::NodeId>(n)) {
      if (next < notes.layers.size()) l.weight_sqnr_db = notes.layers[next];
      ++next;
    } else if (const auto kept = notes.kept.find(view.name(node.output(0)));
               kept != notes.kept.end()) {
      l.reason = kept->second;
    }
  }
  return e;
}

}  // namespace tersor::quant
