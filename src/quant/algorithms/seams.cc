#include "quant/algorithms/seams.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/operator.h"
#include "quant/analysis.h"

namespace tersor::quant {
namespace {

using ir::kNone;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is(const ir::Node& node, std::string_view op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

// Operators that treat each channel by itself and commute with a positive factor.
bool is_homogeneous(const ir::Graph& g, const ir::Node& node) {
  constexpr std::array<std::string_view, 7> kPlain{
      "Relu",        "LeakyRelu",         "MaxPool",      "Identity",
      "AveragePool", "GlobalAveragePool", "GlobalMaxPool"};
  if (node.outputs.size() != 1) return false;
  if (std::ranges::any_of(kPlain, [&](std::string_view op) { return is(node, op); })) return true;
  if (is(node, "PRelu")) return g.constant(node.input(1)) != nullptr;
  if (is(node, "Resize"))
    return node.attr_string("coordinate_transformation_mode", "") != "tf_crop_and_resize";
  if (is(node, "Pad")) {
    if (node.attr_string("mode", "constant") != "constant") return true;
    if (node.input(2) == kNone) return node.attr_float("value", 0) == 0;
    const Tensor* value = g.constant(node.input(2));
    return value && value->count() == 1 && tensor::as_double(*value, 0) == 0;
  }
  return false;
}

// The number of dimension 1; -1 if it is not known.
int64_t channels_of(const ir::Graph& g, ir::ValueId v) {
  const auto& shape = g.values[v].type.shape;
  return shape && shape->size() >= 2 && (*shape)[1].known() ? (*shape)[1].value : -1;
}

// What a value cannot leave, whatever the input; zero is inside.
struct Bounds {
  double lo = -kInfinity, hi = kInfinity;
};
Bounds bounds_of(const ir::Model& model, const std::vector<ir::NodeId>& made, ir::ValueId v) {
  const ir::Graph& g = model.graph;
  while (made[v] != kNone) {
    const ir::Node& node = g.nodes[made[v]];
    if (const auto clip = clip_bounds(g, node))
      return {std::min(0.0, static_cast<double>(clip->lo)),
              std::max(0.0, static_cast<double>(clip->hi))};
    const ops::Operator* op = ops::find(node.domain, node.op, model.opset(node.domain));
    if (op && op->traits.fixed_range)
      return {std::min(0.0, static_cast<double>(op->traits.fixed_range->first)),
              std::max(0.0, static_cast<double>(op->traits.fixed_range->second))};
    if (!is(node, "MaxPool") && !is(node, "Identity") && !is(node, "GlobalAveragePool")) break;
    v = node.inputs[0];
  }
  return {};
}

std::vector<double> largest_outputs(const WeightView& view, const Bounds& in) {
  std::vector<double> most(static_cast<size_t>(view.outputs), 0.0), mass = most;
  const auto w = view.weight->data<float>();
  view.each([&](size_t i, int64_t out, int64_t) {
    const double v = static_cast<double>(w[i]);
    if (v == 0) return;
    most[static_cast<size_t>(out)] += v > 0 ? v * in.hi : v * in.lo;
    mass[static_cast<size_t>(out)] += std::fabs(v) * std::max(in.hi, -in.lo);
  });
  // For sums that are rounded at every step.
  constexpr double kMargin = 1e-4;
  for (size_t c = 0; c < most.size(); ++c) {
    if (view.bias) most[c] += static_cast<double>(view.bias->data<float>()[c]);
    most[c] += mass[c] * kMargin;
  }
  return most;
}

class Finder {
 public:
  explicit Finder(const ir::Model& model)
      : model_(model), g_(model.graph), readers_(g_.consumers()), made_(g_.producers()) {}

  std::optional<Seam> from(ir::NodeId first) const {
    const ir::Node& node = g_.nodes[first];
    const auto view = weight_view(g_, node);
    if (!view) return {};
    Seam seam;
    seam.first = first;
    seam.channels = view->outputs;
    ir::ValueId at = node.outputs[0];
    for (;;) {
      if (readers_[at].size() != 1 || g_.is_output(at)) return {};
      const ir::NodeId n = readers_[at][0];
      const ir::Node& next = g_.nodes[n];
      if (next.input(0) != at) return {};
      if (const auto reader = weight_view(g_, next)) {
        if (reader->inputs != seam.channels * seam.spread) return {};
        seam.second = n;
        return seam;
      }
      if (!pass(n, *view, seam)) return {};
      seam.between.push_back(n);
      at = next.outputs[0];
    }
  }

 private:
  bool pass(ir::NodeId n, const WeightView& view, Seam& seam) const {
    const ir::Node& node = g_.nodes[n];
    if (is(node, "Clip")) {
      const auto clip = clip_bounds(g_, node);
      if (!clip || clip->lo != 0 || !(clip->hi > 0) || !seam.bound.empty() || !seam.between.empty())
        return false;
      seam.rectified = true;
      seam.ceiling = clip->hi;
      seam.bound = largest_outputs(view, bounds_of(model_, made_, g_.nodes[seam.first].inputs[0]));
      return true;
    }
    if (is(node, "Flatten")) {
      const auto& shape = g_.values[node.outputs[0]].type.shape;
      if (node.attr_int("axis", 1) != 1 || seam.spread != 1 || !shape || shape->size() != 2)
        return false;
      const int64_t columns = (*shape)[1].value;
      if (columns < seam.channels || columns % seam.channels != 0 ||
          channels_of(g_, node.inputs[0]) != seam.channels)
        return false;
      seam.spread = columns / seam.channels;
      return true;
    }
    if (!is_homogeneous(g_, node)) return false;
    seam.rectified |= is(node, "Relu");
    return seam.spread == 1 ? channels_of(g_, node.outputs[0]) == seam.channels : is(node, "Relu");
  }

  const ir::Model& model_;
  const ir::Graph& g_;
  std::vector<std::vector<ir::NodeId>> readers_;
  std::vector<ir::NodeId> made_;
};

}  // namespace

std::optional<WeightView> weight_view(const ir::Graph& g, const ir::Node& node) {
  const bool conv = is(node, "Conv"), transposed = is(node, "ConvTranspose"),
             gemm = is(node, "Gemm");
  if (!conv && !transposed && !gemm) return {};
  WeightView view{.weight = g.constant(node.input(1)), .bias = g.constant(node.input(2))};
  if (!view.weight || view.weight->dtype() != DType::kFloat32 || view.weight->count() == 0 ||
      g.constant(node.input(0)) || (node.input(2) != kNone && !view.bias))
    return {};
  if (gemm ? view.weight->rank() != 2 : view.weight->rank() < 3) return {};
  if (gemm && (node.attr_int("transA", 0) != 0 || node.attr_float("alpha", 1) != 1 ||
               node.attr_float("beta", 1) != 1))
    return {};
  view.rows = view.weight->dim(0);
  view.columns = view.weight->dim(1);
  view.taps = view.weight->count() / (view.rows * view.columns);
  view.groups = gemm ? 1 : node.attr_int("group", 1);
  if (view.groups < 1 || view.rows % view.groups != 0) return {};
  const bool outputs_first = conv || (gemm && node.attr_int("transB", 0) != 0);
  view.form = outputs_first ? WeightView::Form::kOutputsFirst : WeightView::Form::kInputsFirst;
  const int64_t across = view.columns * view.groups;
  view.outputs = outputs_first ? view.rows : across;
  view.inputs = outputs_first ? across : view.rows;
  view.inputs_per_output = view.inputs / view.groups;
  if (view.bias && (view.bias->dtype() != DType::kFloat32 || view.bias->count() != view.outputs))
    return {};
  return view;
}

std::vector<Seam> find_seams(const ir::Model& model) {
  const Finder finder(model);
  std::vector<Seam> seams;
  for (size_t n = 0; n < model.graph.nodes.size(); ++n)
    if (auto seam = finder.from(static_cast<ir::NodeId>(n))) seams.push_back(std::move(*seam));
  return seams;
}

}  // namespace tersor::quant
