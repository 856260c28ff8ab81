#include "quant/retarget.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "passes/pipeline.h"
#include "passes/types.h"
#include "quant/decisions.h"
#include "quant/formats/int8.h"
#include "quant/partial.h"
#include "quant/targets/view.h"

namespace tersor::quant {
namespace {

[[noreturn]] void refuse(const Target& target, const std::string& why) {
  throw Error(ErrorKind::kUnsupported, "E33",
              fmt::format("for {} the model would not compute the same: {}", target.label, why),
              fmt::format("quantize again from the original, with --target {}", target.name));
}

class Retargeter {
 public:
  Retargeter(const ir::Model& model, const Target& target) : model_(model), target_(target) {
    if (quantize_nodes(model) == 0)
      throw Error(ErrorKind::kInput, "E34", "the model is not quantized",
                  fmt::format("'tersor quantize --target {}' does it", target.name));
    for (const char* pass : {"inline_functions", "constants_to_initializers"})
      passes::run_pass(model_, pass);
    passes::infer_types(model_);
    check_opset(model_, target);
  }

  Retargeted run() {
    read();
    const ir::Model real = float_model();
    const Decisions decisions = decide(real, statistics(), recipe(), &known_);
    check_layers(decisions);
    check_values(real, decisions);
    Retargeted out;
    out.values = static_cast<int64_t>(decisions.activations.size());
    out.moved = moved_;
    out.biases = biases_;
    out.model = apply(real, decisions);
    return out;
  }

 private:
  // The numbers of a QuantizeLinear or DequantizeLinear, in the type the target wants.
  Format format_of(const GraphView& view, const Quantizer& q, DType wanted) {
    const ir::Node& node = view.graph.nodes[q.node];
    const std::string name = base::quoted(view.name(node.input(0)));
    if ((q.dtype != DType::kUint8 && q.dtype != DType::kInt8) || q.block != 0)
      refuse(target_, fmt::format("{} is stored as {}{}", name, tensor::name(q.dtype),
                                  q.block != 0 ? " in blocks" : ""));
    if (!q.scale || q.computed_zero || q.scale->dtype() != DType::kFloat32)
      refuse(target_, fmt::format("the scale or zero point of {} is computed", name));
    Format f;
    f.dtype = wanted;
    const auto scales = q.scale->data<float>();
    f.params.scales.assign(scales.begin(), scales.end());
    if (f.params.scales.size() > 1) {
      const int rank = view.graph.values[node.input(0)].type.rank();
      f.params.axis = static_cast<int>(q.axis < 0 ? q.axis + rank : q.axis);
    }
    constexpr int32_t kBetween = 128;  // what codes of the two types differ by
    const int32_t move = q.dtype == wanted ? 0 : wanted == DType::kInt8 ? -kBetween : kBetween;
    for (int64_t i = 0; i < static_cast<int64_t>(scales.size()); ++i)
      f.params.zero_points.push_back(
          (q.zero ? static_cast<int32_t>(tensor::as_int64(*q.zero, i)) : 0) + move);
    const bool zero = std::ranges::all_of(f.params.zero_points, [](int32_t z) { return z == 0; });
    if (target_.activation == DType::kInt8 && !zero)
      refuse(target_, fmt::format("{} has zero point {} in {}, and {} takes none but {}", name,
                                  f.params.zero_points[0] - move, tensor::name(q.dtype),
                                  target_.label, -move));
    moved_ += move != 0;
    f.range = {
        (static_cast<float>(tensor::lowest(wanted)) - static_cast<float>(f.params.zero_points[0])) *
            f.params.scales[0],
        (static_cast<float>(tensor::highest(wanted)) -
         static_cast<float>(f.params.zero_points[0])) *
            f.params.scales[0]};
    return f;
  }

  // As remove_quantization() calls it: what an output stands for gets the output's name.
  std::string name_of(const GraphView& view, ir::ValueId id) const {
    for (ir::NodeId q : view.readers(id))
      for (ir::NodeId dq : is(view.graph.nodes[q], "QuantizeLinear")
                               ? view.readers(view.graph.nodes[q].output(0))
                               : std::vector<ir::NodeId>())
        if (const ir::ValueId real = view.graph.nodes[dq].output(0); view.graph.is_output(real))
          return view.name(real);
    return view.name(id);
  }

  // What the model's own nodes decide.
  void read() {
    const GraphView view(model_, model_.graph);
    for (const ir::Node& node : model_.graph.nodes)
      if (!is(node, "QuantizeLinear") && !is(node, "DequantizeLinear") && on_codes(node))
        refuse(target_, fmt::format("{} ({}) computes on codes, which only QuantizeLinear and "
                                    "DequantizeLinear models can be moved from",
                                    base::quoted(node.name), node.op));
    for (const Quantizer& q : view.quantizers()) {
      if (!q.quantizes || q.of_constant) continue;
      const std::string name = name_of(view, view.graph.nodes[q.node].input(0));
      const Format f = format_of(view, q, target_.activation);
      if (f.params.axis >= 0)
        refuse(target_, fmt::format("{} has a scale for each channel", base::quoted(name)));
      const auto [it, fresh] = known_.activations.emplace(name, f);
      if (!fresh && it->second != f)
        refuse(target_, fmt::format("{} is stored with two scales", base::quoted(name)));
    }
    for (const ir::Node& node : model_.graph.nodes)
      if (multiplies(node) && node.output(0) != ir::kNone) read_layer(view, node);
  }
  static bool on_codes(const ir::Node& node) {
    ir::Model one;
    one.graph.nodes = {node};
    return quantize_nodes(one) > 0;
  }

  void read_layer(const GraphView& view, const ir::Node& node) {
    const std::string output = name_of(view, node.output(0));
    const Quantizer* w = view.quantizer_of(node.input(1));
    const Quantizer* x = view.quantizer_of(node.input(0));
    if (!w || !w->of_constant) {
      if (view.is_constant(node.input(1))) left_[output] = "it was in float";
      return;
    }
    if (!x || x->quantizes)
      refuse(target_, fmt::format("{} has 8-bit weights and a float input", base::quoted(output)));
    NodeDecision d{.node = node.name,
                   .op = node.op,
                   .output = output,
                   .weighted = true,
                   .quantized = true,
                   .reason = {},
                   .inputs = {},
                   .weight = format_of(view, *w, DType::kInt8),
                   .codes = {},
                   .weight_sqnr_db = {},
                   .bias = {}};
    const Tensor* bias = view.graph.constant(node.input(2));
    if (bias && target_.quantizes_bias) {
      check_room(*bias, format_of(view, *x, x->dtype).params.scale(), *d.weight, output);
      ++biases_;
    }
    known_.nodes.push_back(std::move(d));
  }
  void check_room(const Tensor& bias, float input_scale, const Format& weight,
                  const std::string& layer) const {
    for (int64_t i = 0; i < bias.count(); ++i) {
      const auto& scales = weight.params.scales;
      const double unit = static_cast<double>(input_scale) *
                          static_cast<double>(scales[static_cast<size_t>(i) % scales.size()]);
      if (std::fabs(tensor::as_double(bias, i)) > unit * std::numeric_limits<int32_t>::max())
        refuse(target_, fmt::format("the bias of {} does not fit 32 bits at its scales",
                                    base::quoted(layer)));
    }
  }

  // Without quantization; weights get the names they had before, as far as those are free.
  ir::Model float_model() const {
    ir::Model real = remove_quantization(model_);
    for (ir::Value& v : real.graph.values) {
      constexpr std::string_view kSuffix = "_q_real";
      if (!v.constant || !v.name.ends_with(kSuffix)) continue;
      const std::string name = v.name.substr(0, v.name.size() - kSuffix.size());
      if (real.graph.find(name) == ir::kNone) v.name = name;
    }
    return real;
  }

  // As if calibration had seen what the scales cover.
  stats::Statistics statistics() const {
    stats::Statistics s;
    for (const auto& [name, f] : known_.activations) {
      const std::vector<float> ends{f.range.lo, f.range.hi};
      s.tensors[name].add(ends);
    }
    return s;
  }
  Recipe recipe() const {
    return {.calibrator = stats::parse_calibrator("minmax"),
            .bias_correct = false,
            .target = &target_,
            .left = left_};
  }

  // The same values are rounded in the same way. A value that operators only move is so already.
  void check_values(const ir::Model& real, const Decisions& d) const {
    const GraphView view(real, real.graph);
    for (const auto& [name, format] : known_.activations) {
      const auto it = d.activations.find(name);
      if (it != d.activations.end() && it->second.params == format.params) continue;
      if (it == d.activations.end()) {
        const ir::ValueId id = real.graph.find(name);
        const auto from = d.activations.find(view.name(id == ir::kNone ? id : view.origin(id)));
        if (from != d.activations.end() && from->second.params == format.params) continue;
      }
      refuse(target_, fmt::format("{} would {}", base::quoted(name),
                                  it == d.activations.end() ? "no longer be rounded to 8 bits"
                                                            : "get another scale"));
    }
  }
  void check_layers(const Decisions& d) const {
    for (const NodeDecision& was : known_.nodes) {
      const auto it = std::ranges::find(d.nodes, was.output, &NodeDecision::output);
      if (it != d.nodes.end() && it->quantized) continue;
      refuse(target_, fmt::format("layer {} would be in float: {}",
                                  base::quoted(was.node.empty() ? was.output : was.node),
                                  it == d.nodes.end() ? "it was not recognised" : it->reason));
    }
  }

  ir::Model model_;
  const Target& target_;
  Decisions known_;
  std::map<std::string, std::string> left_;
  int64_t moved_ = 0, biases_ = 0;
};

}  // namespace

Retargeted retarget(const ir::Model& model, const Target& target) {
  return Retargeter(model, target).run();
}

}  // namespace tersor::quant
