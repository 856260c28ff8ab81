#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "ops/infer.h"
#include "ops/operator.h"
#include "quant/analysis.h"
#include "quant/formats/int8.h"

namespace tersor::quant {
namespace {

using ir::kNone;
using ir::ValueId;

class Applier {
 public:
  Applier(const ir::Model& model, const Decisions& decisions)
      : model_(model), g_(model_.graph), target_(*decisions.target) {
    for (const auto& [name, format] : decisions.activations) by_name_[name] = &format;
    for (const NodeDecision& d : decisions.nodes)
      if (d.quantized) by_output_[d.output] = &d;
    for (const ir::Value& v : g_.values) names_.insert(v.name);
  }

  ir::Model run() {
    std::vector<ir::Node> old = std::move(g_.nodes);
    g_.nodes.clear();
    find_formats();
    find_real(old);
    if (!target_.keeps_float_readers) give_outputs_way();
    for (ValueId id : g_.required_inputs()) store(id);
    for (ir::Node& node : old) {
      rewire(node);
      const std::vector<ValueId> outputs = node.outputs;
      g_.nodes.push_back(std::move(node));
      for (ValueId id : outputs) store(id);
    }
    for (const auto& [id, copy] : public_copies_) {
      const Format& f = *format(id);
      dequantize_into(codes_.at(id), f, copy, zero_of(f.params, f.dtype));
    }
    g_.drop_unused_values();
    ops::infer_shapes(model_);
    ir::verify(model_);
    return std::move(model_);
  }

 private:
  // By the names that the decisions know, before outputs are renamed.
  void find_formats() {
    formats_.assign(g_.values.size(), nullptr);
    nodes_.assign(g_.values.size(), nullptr);
    for (size_t v = 0; v < g_.values.size(); ++v) {
      if (const auto it = by_name_.find(g_.values[v].name); it != by_name_.end())
        formats_[v] = it->second;
      if (const auto it = by_output_.find(g_.values[v].name); it != by_output_.end())
        nodes_[v] = it->second;
    }
  }
  const Format* format(ValueId id) const {
    return id != kNone && static_cast<size_t>(id) < formats_.size() ? formats_[id] : nullptr;
  }

  // A graph output that is stored in 8 bits keeps its name for the dequantized value.
  void give_outputs_way() {
    const auto inputs = g_.inputs;
    for (ValueId& out : g_.outputs) {
      if (!format(out) || std::ranges::find(inputs, out) != inputs.end()) continue;
      auto [it, fresh] = public_copies_.try_emplace(out, kNone);
      if (fresh) {
        ir::Value copy = g_.values[out];
        g_.values[out].name = unique(copy.name + "_f");
        g_.values[out].declared = false;
        g_.values.push_back(std::move(copy));
        it->second = static_cast<ValueId>(g_.values.size() - 1);
      }
      out = it->second;
    }
  }

  std::string unique(const std::string& wish) {
    std::string name = wish;
    for (int i = 2; !names_.insert(name).second; ++i) name = wish + std::to_string(i);
    return name;
  }
  ValueId constant(const std::string& wish, Tensor t) {
    return g_.add_constant(unique(wish), std::move(t));
  }

  // Scales and zero points that are equal share one initializer.
  ValueId scale_of(const QuantParams& params) {
    auto& id = scales_.try_emplace({params.scales, params.axis >= 0}, kNone).first->second;
    if (id == kNone)
      id = constant("scale", params.axis < 0
                                 ? Tensor::scalar(params.scales[0])
                                 : Tensor::of<float>({static_cast<int64_t>(params.scales.size())},
                                                     params.scales));
    return id;
  }
  template <typename T>
  static Tensor narrow(const QuantParams& params) {
    std::vector<T> v(params.zero_points.begin(), params.zero_points.end());
    return params.axis < 0 ? Tensor::scalar(v[0])
                           : Tensor::of<T>({static_cast<int64_t>(v.size())}, v);
  }
  ValueId zero_of(const QuantParams& params, DType dtype) {
    auto& id =
        zeros_.try_emplace({params.zero_points, params.axis >= 0, dtype}, kNone).first->second;
    if (id == kNone) id = own_zero(params, dtype);
    return id;
  }
  ValueId own_zero(const QuantParams& params, DType dtype) {
    return constant("zero", dtype == DType::kUint8 ? narrow<uint8_t>(params)
                                                   : tensor::cast(narrow<int8_t>(params), dtype));
  }

  ir::Node node(const char* op, ValueId from, const QuantParams& params, ValueId zero, ValueId to) {
    ir::Node n;
    n.op = op;
    n.inputs = {from, scale_of(params)};
    if (zero != kNone) n.inputs.push_back(zero);
    n.outputs = {to};
    n.origin = "quantize";
    if (params.axis >= 0) n.set("axis", int64_t{params.axis});
    return n;
  }

  // Quantizes a value that was just made.
  void store(ValueId id) {
    const Format* f = format(id);
    if (!f) return;
    const std::string name = g_.values[id].name;
    const ValueId codes =
        g_.add_value(unique(name + "_q"), ir::Type::tensor(f->dtype, g_.values[id].type.shape));
    g_.nodes.push_back(node("QuantizeLinear", id, f->params, zero_of(f->params, f->dtype), codes));
    codes_[id] = codes;
  }
  void dequantize_into(ValueId codes, const Format& f, ValueId to, ValueId zero) {
    g_.nodes.push_back(node("DequantizeLinear", codes, f.params, zero, to));
  }
  ValueId dequantize(ValueId codes, const Format& f, const std::string& name) {
    return dequantize(codes, f, name, zero_of(f.params, f.dtype));
  }
  ValueId dequantize(ValueId codes, const Format& f, const std::string& name, ValueId zero) {
    const ValueId to = g_.add_value(unique(name + "_dq"),
                                    ir::Type::tensor(DType::kFloat32, g_.values[codes].type.shape));
    dequantize_into(codes, f, to, zero);
    if (f.params.per_tensor()) scale_by_value_[to] = f.params.scale();
    return to;
  }

  // Whether a value exists as real numbers whatever its readers do: its operator has no 8-bit form.
  bool is_real(ValueId id) const { return static_cast<size_t>(id) < real_.size() && real_[id]; }
  void find_real(const std::vector<ir::Node>& nodes) {
    real_.assign(g_.values.size(), false);
    for (const ir::Node& node : nodes) {
      const ops::Operator* op = ops::find(node.domain, node.op, model_.opset(node.domain));
      for (ValueId id : node.outputs)
        if (id != kNone) real_[id] = op && op->traits.quant == ops::QuantClass::kNone;
    }
  }

  void rewire(ir::Node& node) {
    const ValueId out = node.output(0);
    const NodeDecision* decision =
        out != kNone && static_cast<size_t>(out) < nodes_.size() ? nodes_[out] : nullptr;
    const bool asks_shape = node.op == "Shape" || node.op == "Size";
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ValueId& in = node.inputs[i];
      const auto stored = codes_.find(in);
      if (stored == codes_.end()) continue;
      if (decision && i < decision->inputs.size() && decision->inputs[i]) {
        in = dequantize(stored->second, *format(in), g_.values[in].name);
      } else if (target_.keeps_float_readers) {
        continue;
      } else if (asks_shape) {
        in = stored->second;
      } else if (!is_real(in)) {
        // Readers in float share one DequantizeLinear.
        ValueId& real = reals_.try_emplace(in, kNone).first->second;
        if (real == kNone) real = dequantize(stored->second, *format(in), g_.values[in].name);
        in = real;
      }
    }
    if (!decision) return;
    if (decision->weight) return quantize_weights(node, *decision);
    for (size_t i = 0; i < node.inputs.size() && i < decision->inputs.size(); ++i)
      if (decision->inputs[i])
        if (const Tensor* t = g_.constant(node.inputs[i])) quantize_operand(node, i, *t);
  }

  void quantize_weights(ir::Node& node, const NodeDecision& decision) {
    const Format& f = *decision.weight;
    const ValueId w = node.inputs[1];
    const std::string name = g_.values[w].name;
    // Nodes that share a weight share its codes where the scales agree, and nothing was learned.
    ValueId learned = kNone;
    auto& codes = decision.codes.defined()
                      ? learned
                      : weights_.try_emplace({w, f.params.scales}, kNone).first->second;
    if (codes == kNone)
      codes = constant(
          name + "_q",
          tensor::cast(decision.codes.defined() ? decision.codes : quantize(*g_.constant(w), f),
                       f.dtype));
    // OpenVINO 2026.4 was seen to compute MatMul and Gemm in float where many share the zero points
    // of their weights, but never Conv.
    node.inputs[1] =
        dequantize(codes, f, name,
                   node.op == "Conv" ? zero_of(f.params, f.dtype) : own_zero(f.params, f.dtype));
    const Tensor* bias = g_.constant(node.input(2));
    if (!bias && decision.bias.empty()) return;
    if (!bias) node.inputs.resize(3, kNone);
    if (!target_.quantizes_bias) {
      if (!decision.bias.empty())
        node.inputs[2] = constant(
            (bias ? g_.values[node.inputs[2]].name : name) + "_bias",
            Tensor::of<float>({static_cast<int64_t>(decision.bias.size())}, decision.bias));
      return;
    }
    const std::vector<float> real_bias =
        decision.bias.empty()
            ? std::vector<float>(bias->data<float>().begin(), bias->data<float>().end())
            : decision.bias;
    const float input_scale = scale_by_value_.at(node.inputs[0]);
    const std::string bias_name = bias ? g_.values[node.inputs[2]].name : name + "_bias";
    Bias q = quantize_bias(real_bias, input_scale, f);
    const ValueId bias_codes = constant(bias_name + "_q", q.codes);
    const ValueId real = g_.add_value(
        unique(bias_name + "_dq"), ir::Type::tensor(DType::kFloat32, ir::to_shape(q.codes.dims())));
    g_.nodes.push_back(this->node("DequantizeLinear", bias_codes, q.params, kNone, real));
    node.inputs[2] = real;
  }

  void quantize_operand(ir::Node& node, size_t i, const Tensor& t) {
    const auto [lo, hi] = std::ranges::minmax(t.data<float>());
    const Format f = activation_format({std::min(lo, 0.0F), std::max(hi, 0.0F)}, target_);
    const std::string name = g_.values[node.inputs[i]].name;
    node.inputs[i] = dequantize(constant(name + "_q", quantize(t, f)), f, name);
  }

  ir::Model model_;
  ir::Graph& g_;
  const Target& target_;
  std::map<std::string, const Format*, std::less<>> by_name_;
  std::map<std::string, const NodeDecision*, std::less<>> by_output_;
  std::vector<const Format*> formats_;      // by value of the original
  std::vector<const NodeDecision*> nodes_;  // by first output
  std::vector<bool> real_;                  // by value
  std::set<std::string> names_;
  std::map<ValueId, ValueId> codes_;          // stored value -> its codes
  std::map<ValueId, ValueId> reals_;          // stored value -> dequantized, for readers in float
  std::map<ValueId, ValueId> public_copies_;  // stored graph output -> the value with its name
  std::map<ValueId, float> scale_by_value_;   // of dequantized values
  std::map<std::pair<std::vector<float>, bool>, ValueId> scales_;
  std::map<std::tuple<std::vector<int32_t>, bool, DType>, ValueId> zeros_;
  std::map<std::pair<ValueId, std::vector<float>>, ValueId> weights_;
};

}  // namespace

ir::Model apply(const ir::Model& model, const Decisions& decisions) {
  return Applier(model, decisions).run();
}

}  // namespace tersor::quant
