// Rules on types, scales, zero points and axes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quant/analysis.h"
#include "quant/targets/rules.h"
#include "quant/targets/view.h"

namespace tersor::quant {
namespace {

bool contains(std::span<const DType> types, DType type) {
  return std::ranges::find(types, type) != types.end();
}

std::string list(std::span<const DType> types) {
  std::string text;
  for (DType t : types) text += (text.empty() ? "" : ", ") + tensor::name(t);
  return text;
}

ir::ValueId data_of(const GraphView& view, const Quantizer& q) {
  const ir::Node& node = view.graph.nodes[q.node];
  return q.quantizes ? node.input(0) : node.output(0);
}

void opset(const GraphView& view, const Target& t, Findings& out) {
  if (view.quantizers().empty()) return;
  const ir::Node& first = view.graph.nodes[view.quantizers()[0].node];
  const int64_t version = view.model.opset();
  if (version < t.min_opset)
    out.add(view, first, ir::kNone,
            fmt::format("the model has opset {}, {} reads quantized models from {} on", version,
                        t.label, t.min_opset),
            fmt::format("tersor convert --opset {}", std::max<int64_t>(13, t.min_opset)));
  if (version > t.max_opset)
    out.add(view, first, ir::kNone,
            fmt::format("the model has opset {}, {} reads up to {}", version, t.label, t.max_opset),
            fmt::format("export the model with opset {} or lower", t.max_opset));
  if (version >= 13) return;
  for (const Quantizer& q : view.quantizers())
    if (!q.per_tensor() && !view.repeats(q))
      out.add(view, view.graph.nodes[q.node], data_of(view, q),
              fmt::format("it has {} scales, which opset {} does not know",
                          q.scale ? q.scale->count() : 0, version),
              "raise the opset to 13, or quantize per tensor");
}

void types(const GraphView& view, const Target& t, Findings& out) {
  for (const Quantizer& q : view.quantizers()) {
    if (q.dtype == DType::kUndefined || q.dtype == DType::kInt32 || view.repeats(q)) continue;
    const auto allowed = q.of_constant ? t.weight_types : t.activation_types;
    if (contains(allowed, q.dtype)) continue;
    out.add(view, view.graph.nodes[q.node], data_of(view, q),
            fmt::format("{} {}, {} takes {}", q.of_constant ? "the weight is" : "the activation is",
                        tensor::name(q.dtype), t.label, list(allowed)),
            fmt::format("quantize to {}", tensor::name(allowed[0])));
  }
}

void mixed_signs(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!multiplies(node)) continue;
    const Quantizer *x = view.dequantized(node.input(0)), *w = view.dequantized(node.input(1));
    if (!x || !w || x->dtype != DType::kInt8 || w->dtype != DType::kUint8) continue;
    out.add(view, node, node.input(1),
            fmt::format("int8 activations meet uint8 weights, {} computes that in float", t.label),
            "quantize weights to int8");
  }
}

void scale(const GraphView& view, const Target& t, Findings& out) {
  for (const Quantizer& q : view.quantizers()) {
    if (view.repeats(q)) continue;
    const ir::Node& node = view.graph.nodes[q.node];
    if (!q.scale) {
      out.add(view, node, node.input(1),
              fmt::format("its scale is computed, {} takes a constant", t.label),
              "quantize statically, from calibration data");
      continue;
    }
    for (int64_t i = 0; i < q.scale->count(); ++i) {
      const double s = tensor::as_double(*q.scale, i);
      if (std::isfinite(s) && s > 0) continue;
      out.add(view, node, node.input(1),
              fmt::format("scale {} at element {} is not positive", s, i),
              "calibrate again: the tensor may be constant or hold values that are not finite");
      break;
    }
  }
}

void zero_point(const GraphView& view, const Target& t, Findings& out) {
  for (const Quantizer& q : view.quantizers()) {
    if (view.repeats(q)) continue;
    const ir::Node& node = view.graph.nodes[q.node];
    const std::string todo =
        fmt::format("quantize symmetrically, as 'tersor quantize --target {}' does", t.name);
    if (q.computed_zero)
      out.add(view, node, node.input(2),
              fmt::format("its zero point is computed, {} takes zeros", t.label), todo);
    else if (!q.zero_is_zero())
      out.add(
          view, node, data_of(view, q),
          q.zero->count() == 1
              ? fmt::format("zero point {}, {} takes only 0", tensor::as_int64(*q.zero, 0), t.label)
              : fmt::format("zero points other than 0, {} takes only 0", t.label),
          todo);
  }
}

void activation_per_tensor(const GraphView& view, const Target& t, Findings& out) {
  for (const Quantizer& q : view.quantizers())
    if (!q.of_constant && !q.per_tensor() && !view.repeats(q))
      out.add(view, view.graph.nodes[q.node], data_of(view, q),
              fmt::format("the activation has {} scales, {} takes one for the tensor",
                          q.scale ? q.scale->count() : 0, t.label),
              "quantize activations per tensor");
}

// The axis of a DequantizeLinear's output that becomes axis `axis` of `id`; -1: no longer one axis.
int64_t trace_axis(const GraphView& view, ir::ValueId id, int64_t axis, int64_t rank) {
  while (const ir::Node* node = view.maker(id)) {
    if (!moves(*node)) return axis;
    if (node->op == "Transpose") {
      const std::vector<int64_t> perm = node->attr_ints("perm");
      if (axis < 0 || (!perm.empty() && axis >= static_cast<int64_t>(perm.size()))) return -1;
      axis = perm.empty() ? rank - 1 - axis : perm[static_cast<size_t>(axis)];
    } else if (node->op != "Identity" && node->op != "Cast" && node->op != "Dropout") {
      return -1;
    }
    id = node->input(0);
  }
  return axis;
}

const Tensor* codes_of(const GraphView& view, const Quantizer& dq) {
  const ir::ValueId codes = view.graph.nodes[dq.node].input(0);
  if (const Tensor* t = view.graph.constant(codes)) return t;
  const ir::Node* q = view.maker(codes);
  return q ? view.graph.constant(q->input(0)) : nullptr;
}

void weight_axis(const GraphView& view, const Target&, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!multiplies(node) || node.input(1) == ir::kNone) continue;
    const Quantizer* w = view.dequantized(node.input(1));
    if (!w || !w->of_constant || w->per_tensor() || w->block != 0) continue;
    const Tensor* codes = codes_of(view, *w);
    if (!codes) continue;
    const int64_t rank = codes->rank(), count = w->scale ? w->scale->count() : 0;
    const int64_t has = w->axis < 0 ? w->axis + rank : w->axis;
    int64_t wants = is(node, "Conv") ? 0 : is(node, "ConvTranspose") ? 1 : rank - 1;
    if (is(node, "Gemm")) wants = node.attr_int("transB", 0) != 0 ? 0 : 1;
    wants = trace_axis(view, node.input(1), wants, rank);
    const ir::ValueId tensor = view.graph.nodes[w->node].input(0);
    const ir::Node& dq = view.graph.nodes[w->node];
    if (wants >= 0 && has != wants)
      out.add(view, dq, tensor,
              fmt::format("the weight of {} has its scales along axis {}, its output channels lie "
                          "along axis {}",
                          base::quoted(node.name), has, wants),
              fmt::format("set axis={}: one scale per output channel", wants));
    else if (has >= 0 && has < rank && count != codes->dim(static_cast<size_t>(has)))
      out.add(view, dq, tensor,
              fmt::format("{} scales for {} channels", count, codes->dim(static_cast<size_t>(has))),
              "one scale per output channel, or one for the tensor");
  }
}

void bias_float(const GraphView& view, const Target& t, Findings& out) {
  for (const Quantizer& q : view.quantizers())
    if (!q.quantizes && q.dtype == DType::kInt32)
      out.add(view, view.graph.nodes[q.node], view.graph.nodes[q.node].input(0),
              fmt::format("a DequantizeLinear of int32, which {} refuses", t.label),
              "leave biases in float");
}

}  // namespace

extern const Rule kOpset{"opset", "the opset is one that it reads", opset};
extern const Rule kTypes{"type", "activations and weights have types that it has", types};
extern const Rule kMixedSigns{"mixed-signs", "int8 activations never meet uint8 weights",
                              mixed_signs};
extern const Rule kScale{"scale", "scales are positive constants", scale};
extern const Rule kZeroPoint{"zero-point", "every zero point is 0", zero_point};
extern const Rule kActivationPerTensor{"activation-scale", "one scale for each activation",
                                       activation_per_tensor};
extern const Rule kWeightAxis{"weight-axis", "scales of a weight lie along its output channels",
                              weight_axis};
extern const Rule kBiasFloat{"bias", "biases are floats", bias_float};

}  // namespace tersor::quant
