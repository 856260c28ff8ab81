// Rules on which operators a quantized model has.
#include <fmt/format.h>

#include <set>

#include "quant/targets/rules.h"
#include "quant/targets/view.h"

namespace tersor::quant {
namespace {

// Operators whose inputs or outputs are integers that stand for real numbers.
bool computes_on_codes(const ir::Node& node) {
  static const std::set<std::string_view> kStandard{"QLinearConv", "QLinearMatMul", "ConvInteger",
                                                    "MatMulInteger", "DynamicQuantizeLinear"};
  static const std::set<std::string_view> kContrib{"QuantizeLinear",
                                                   "DequantizeLinear",
                                                   "QLinearAdd",
                                                   "QLinearMul",
                                                   "QLinearConcat",
                                                   "QLinearAveragePool",
                                                   "QLinearLeakyRelu",
                                                   "QLinearSigmoid",
                                                   "QLinearSoftmax",
                                                   "QLinearWhere",
                                                   "QLinearReduceMean",
                                                   "QLinearConv",
                                                   "QGemm",
                                                   "QAttention",
                                                   "QLinearGlobalAveragePool",
                                                   "DynamicQuantizeMatMul",
                                                   "MatMulIntegerToFloat",
                                                   "DynamicQuantizeLSTM",
                                                   "MatMulNBits",
                                                   "GatherBlockQuantized",
                                                   "QEmbedLayerNormalization",
                                                   "QMoE",
                                                   "MatMulBlockQuantizedFp4Weight"};
  return is_standard(node) ? kStandard.contains(node.op)
                           : node.domain == "com.microsoft" && kContrib.contains(node.op);
}

void standard_form(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes)
    if (computes_on_codes(node))
      out.add(
          view, node, node.output(0),
          fmt::format("{} does not read this operator, only QuantizeLinear and DequantizeLinear "
                      "around float operators",
                      t.label),
          "quantize the float model again, in QDQ form");
}

void channels_of_qlinear(const GraphView& view, const Target& t, Findings& out) {
  for (const ir::Node& node : view.graph.nodes) {
    if (node.op != "QLinearConv") continue;
    const Tensor* scale = view.graph.constant(node.input(4));
    if (scale && scale->count() > 1)
      out.add(view, node, node.input(4),
              fmt::format("{} applies its {} weight scales wrongly, without a word", t.label,
                          scale->count()),
              "use the QDQ form, or one scale for the weight");
  }
}

void has_kernel(const GraphView& view, const Target& t, Findings& out) {
  static const std::set<std::string_view> kFloat{"ConvTranspose",
                                                 "LayerNormalization",
                                                 "InstanceNormalization",
                                                 "GroupNormalization",
                                                 "BatchNormalization",
                                                 "TopK",
                                                 "CumSum",
                                                 "Pad"};
  for (const ir::Node& node : view.graph.nodes) {
    if (!is_standard(node) || !kFloat.contains(node.op)) continue;
    const bool meant = node.op == "ConvTranspose"
                           ? view.dequantized(node.input(1)) != nullptr
                           : view.dequantized(node.input(0)) && view.quantized(node.output(0));
    if (meant)
      out.add(
          view, node, node.output(0),
          fmt::format("{} has no 8-bit form of it: it runs in float, and the conversions around "
                      "it cost time",
                      t.label),
          "leave it in float");
  }
}

}  // namespace

extern const Rule kStandardForm{"form", "only QuantizeLinear and DequantizeLinear", standard_form};
extern const Rule kChannelsOfQLinear{"qlinear-channels", "no QLinearConv with scales per channel",
                                     channels_of_qlinear};
extern const Rule kHasKernel{"kernel", "what is quantized has an 8-bit form", has_kernel};

}  // namespace tersor::quant
