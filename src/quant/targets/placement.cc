// Rules on where QuantizeLinear and DequantizeLinear stand.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "quant/analysis.h"
#include "quant/targets/rules.h"
#include "quant/targets/view.h"

namespace tersor::quant {
namespace {

std::string of(const ir::Node& node) {
  return fmt::format("{} {}", base::printable(node.op), base::quoted(node.name));
}

// Runs in 8 bits, as far as its inputs go.
bool reads_codes(const GraphView& view, const ir::Node& node) {
  return multiplies(node) && view.dequantized(node.input(0)) && view.dequantized(node.input(1));
}

bool same(const Tensor* a, const Tensor* b) {
  if (!a || !b || a->count() != b->count()) return a == b;
  for (int64_t i = 0; i < a->count(); ++i)
    if (tensor::as_double(*a, i) != tensor::as_double(*b, i)) return false;
  return true;
}
bool same_numbers(const Quantizer& a, const Quantizer& b) {
  return same(a.scale, b.scale) && (same(a.zero, b.zero) || (a.zero_is_zero() && b.zero_is_zero()));
}

void pairs(const GraphView& view, const Target& t, Findings& out) {
  for (const Quantizer& q : view.quantizers()) {
    const ir::Node& node = view.graph.nodes[q.node];
    if (!q.quantizes) {
      const ir::Node* maker = view.maker(node.input(0));
      if (q.of_constant) continue;
      if (maker && is(*maker, "QuantizeLinear")) {
        const Quantizer* before = view.quantizer_of(node.input(0));
        if (before && !same_numbers(*before, q))
          out.add(view, node, node.input(0),
                  "its scale or zero point is not that of its QuantizeLinear",
                  "give both the same scale and zero point");
      } else {
        out.add(view, node, node.input(0), "it dequantizes what no QuantizeLinear made",
                fmt::format("{} reads pairs: put a QuantizeLinear before it", t.label));
      }
      continue;
    }
    const ir::ValueId codes = node.output(0);
    const bool alone = std::ranges::all_of(view.readers(codes), [&](ir::NodeId n) {
      return is(view.graph.nodes[n], "DequantizeLinear");
    });
    if (!alone || view.graph.is_output(codes))
      out.add(view, node, codes,
              alone ? "integers are an output of the model"
                    : "integers are read by something else than DequantizeLinear",
              fmt::format("{} reads pairs: put a DequantizeLinear behind it", t.label));
  }
}

void both_inputs(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!multiplies(node) || (t.operators && !t.operators->contains(node.op))) continue;
    const Quantizer *x = view.dequantized(node.input(0)), *w = view.dequantized(node.input(1));
    if (!x == !w) continue;
    // Weights alone: 4 bits and blocks are meant so.
    if (w && w->of_constant && (w->block != 0 || tensor::bits(w->dtype) < 8)) continue;
    out.add(view, node, node.input(x ? 1 : 0),
            fmt::format("only its {} quantized: {} computes it in float",
                        x ? "first input is" : "second input is", t.label),
            x ? "quantize its second input too, or leave both in float"
              : "quantize its first input too, or leave both in float");
  }
}

// Behind a Relu or Clip that alone reads the value: where the result lies.
ir::ValueId behind_clip(const GraphView& view, ir::ValueId id) {
  const ir::Node* next = view.only_reader(id);
  return next && (is(*next, "Relu") || is(*next, "Clip")) && next->input(0) == id ? next->output(0)
                                                                                  : id;
}

void residual_add(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!is(node, "Add") || node.inputs.size() != 2) continue;
    if (view.is_constant(node.inputs[0]) || view.is_constant(node.inputs[1])) continue;
    // A DequantizeLinear right before it: one before a MaxPool, say, is not fused with the Add.
    const auto real = [&](ir::ValueId id) {
      const Quantizer* q = view.quantizer_of(id);
      return q && !q->quantizes;
    };
    const bool any = real(node.inputs[0]) || real(node.inputs[1]) ||
                     view.quantized(behind_clip(view, node.output(0)));
    if (!any) continue;
    for (ir::ValueId in : node.inputs) {
      // What comes from the graph around this one is not seen here.
      if (real(in) ||
          (std::ranges::find(view.graph.captures, view.origin(in)) != view.graph.captures.end()))
        continue;
      out.add(
          view, node, in,
          fmt::format("an operand of a residual Add is not quantized: {} adds in float, and the "
                      "layer before it writes floats",
                      t.label),
          "put QuantizeLinear and DequantizeLinear on both of its inputs");
    }
  }
}

void activation_between(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!is(node, "Relu") && !is(node, "Clip") && !is(node, "BatchNormalization")) continue;
    const ir::Node* dq = view.maker(node.input(0));
    if (!dq || !is(*dq, "DequantizeLinear")) continue;
    const ir::Node* q = view.maker(dq->input(0));
    if (!q || !is(*q, "QuantizeLinear")) continue;
    const ir::Node* layer = view.maker(q->input(0));
    if (!layer || !multiplies(*layer)) continue;
    out.add(view, node, q->input(0),
            fmt::format("it stands behind a quantization of {}: {} cannot fuse the two", of(*layer),
                        t.label),
            fmt::format("quantize behind the {} instead", base::printable(node.op)));
  }
}

void batch_norm(const GraphView& view, const Target&, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!is(node, "BatchNormalization")) continue;
    const ir::Node* layer = view.maker(node.input(0));
    if (layer && reads_codes(view, *layer))
      out.add(view, node, node.input(0),
              fmt::format("its scales are not part of the quantized weights of {}", of(*layer)),
              "fold BatchNormalization into the weights before quantizing");
  }
}

void output_float(const GraphView& view, const Target& t, Findings& out) {
  for (ir::ValueId id : view.graph.outputs) {
    const ir::Node* dq = view.maker(id);
    if (!dq || !is(*dq, "DequantizeLinear") || view.is_constant(id)) continue;
    out.add(view, *dq, id,
            fmt::format("an output of the model is quantized: {} gains nothing by it", t.label),
            "leave outputs in float");
  }
}

void own_dequantize(const GraphView& view, const Target& t, Findings& out) {
  for (const Quantizer& q : view.quantizers()) {
    const ir::Node& node = view.graph.nodes[q.node];
    if (q.quantizes || q.of_constant) continue;
    const auto& readers = view.readers(node.output(0));
    const bool one = std::ranges::all_of(readers, [&](ir::NodeId n) { return n == readers[0]; });
    if (!one || (!readers.empty() && view.graph.is_output(node.output(0))))
      out.add(view, node, node.output(0),
              fmt::format("{} nodes share it: {} fuses a DequantizeLinear with one reader",
                          readers.size(), t.label),
              "give each reader a DequantizeLinear of its own");
  }
}

// Conv behind codes, the Relu or Clip behind it if there is one, and where its result lies.
struct ConvEnd {
  const ir::Node* clip = nullptr;
  const Quantizer* q = nullptr;
};
ConvEnd end_of(const GraphView& view, const ir::Node& conv) {
  ConvEnd end;
  end.q = view.quantized(conv.output(0));
  if (end.q) return end;
  const ir::ValueId behind = behind_clip(view, conv.output(0));
  if (behind == conv.output(0)) return end;
  end.clip = view.maker(behind);
  end.q = view.quantized(behind);
  return end;
}

void conv_output(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!is(node, "Conv") || !reads_codes(view, node)) continue;
    if (end_of(view, node).q) continue;
    out.add(
        view, node, node.output(0),
        fmt::format("one QuantizeLinear, and nothing else, must read its output: {} computes it "
                    "in float on dequantized weights",
                    t.label),
        "quantize its output, or leave the layer in float");
  }
}

void clips_at_zero(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (!is(node, "Conv") || !reads_codes(view, node)) continue;
    const auto [clip, q] = end_of(view, node);
    if (!clip || !q || !q->scale || q->scale->count() != 1 || !tensor::is_integer(q->dtype))
      continue;
    const auto bounds = clip_bounds(view.graph, *clip);
    const int64_t zero = q->zero && q->zero->count() == 1 ? tensor::as_int64(*q->zero, 0) : 0;
    const double s = tensor::as_double(*q->scale, 0);
    const double lo = static_cast<double>(tensor::lowest(q->dtype) - zero) * s;
    const double hi = static_cast<double>(tensor::highest(q->dtype) - zero) * s;
    if (bounds && static_cast<double>(bounds->lo) <= lo &&
        hi <= static_cast<double>(bounds->hi) * (1 + 1e-6))
      continue;
    out.add(
        view, *clip, clip->output(0),
        fmt::format("its quantization covers [{:.4g}, {:.4g}], more than the {} lets through: {} "
                    "computes {} in float",
                    lo, hi, base::printable(clip->op), t.label, of(node)),
        "quantize to uint8 with zero point 0, within the bounds");
  }
}

}  // namespace

extern const Rule kPairs{"pair", "QuantizeLinear and DequantizeLinear stand in pairs", pairs};
extern const Rule kBothInputs{
    "both-inputs", "both inputs of a multiplication are quantized, or none", both_inputs};
extern const Rule kResidualAdd{"residual-add", "both inputs of a residual Add are quantized",
                               residual_add};
extern const Rule kActivationBetween{
    "between", "nothing is quantized between a layer and its activation", activation_between};
extern const Rule kBatchNorm{"batchnorm", "BatchNormalization is folded into weights", batch_norm};
extern const Rule kOutputFloat{"output", "outputs of the model are not quantized", output_float};
extern const Rule kOwnDequantize{"own-dequantize", "every reader has its own DequantizeLinear",
                                 own_dequantize};
extern const Rule kConvOutput{"conv-output", "the output of a quantized Conv is quantized",
                              conv_output};
extern const Rule kClipsAtZero{
    "clip", "the quantization behind Conv and Relu or Clip makes the latter redundant",
    clips_at_zero};

}  // namespace tersor::quant
