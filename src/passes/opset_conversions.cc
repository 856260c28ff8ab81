#include "passes/opset_conversions.h"

#include <algorithm>
#include <array>
#include <limits>

#include "passes/constants.h"

namespace tersor::passes {
namespace {

using Refusal = std::optional<std::string>;
constexpr const char* kOrigin = "raise_opset";

std::string wish(const Editor& g, ir::NodeId n, const char* part) {
  const ir::Node& node = g.node(n);
  const std::string& base = !node.name.empty() ? node.name : g.value(node.outputs.at(0)).name;
  return base + "." + part;
}

ir::Node new_node(const char* op, std::string name) {
  ir::Node node;
  node.name = std::move(name);
  node.op = op;
  node.origin = kOrigin;
  return node;
}

// An attribute that is a list of integers becomes input `i`; an absent one stays absent.
void list_to_input(Editor& g, ir::NodeId n, const char* name, size_t i) {
  if (!g.node(n).has(name)) return;
  const std::vector<int64_t> values = g.node(n).attr_ints(name);
  g.node(n).erase(name);
  g.set_input(n, i, g.add_constant(wish(g, n, name), Tensor::vector(values)));
}

// The element type of the node's data, for constants that must match it. float32 if it is not
// known.
DType data_type(const Editor& g, ir::NodeId n) {
  const DType type = g.type(g.node(n).input(0)).elem;
  return type == DType::kUndefined ? DType::kFloat32 : type;
}

ir::ValueId number(Editor& g, ir::NodeId n, const char* part, double value, DType type) {
  return g.add_constant(wish(g, n, part), tensor::cast(Tensor::scalar<double>(value), type));
}

// The types of subgraphs' values are not known, so that constants for them are made only of float32
// data.
bool type_known(const Editor& g, ir::NodeId n) {
  return g.type(g.node(n).input(0)).elem != DType::kUndefined;
}
constexpr const char* kTypeUnknown = "the element type of its input is not known";

Refusal axes_to_input(Editor& g, ir::NodeId n) {
  list_to_input(g, n, "axes", 1);
  return {};
}

Refusal split_13(Editor& g, ir::NodeId n) {
  list_to_input(g, n, "split", 1);
  return {};
}

// 18: without sizes the number of parts must be said.
Refusal split_18(Editor& g, ir::NodeId n) {
  if (g.node(n).input(1) == ir::kNone)
    g.node(n).set("num_outputs", static_cast<int64_t>(g.node(n).outputs.size()));
  return {};
}

Refusal clip_11(Editor& g, ir::NodeId n) {
  if (!type_known(g, n)) return kTypeUnknown;
  const DType type = data_type(g, n);
  size_t input = 1;
  for (const char* name : {"min", "max"}) {
    if (g.node(n).has(name)) {
      const float bound = g.node(n).attr_float(name, 0);
      g.node(n).erase(name);
      g.set_input(n, input, number(g, n, name, static_cast<double>(bound), type));
    }
    ++input;
  }
  return {};
}

Refusal pad_11(Editor& g, ir::NodeId n) {
  const float value = g.node(n).attr_float("value", 0.0F);
  if (value != 0.0F && !type_known(g, n)) return kTypeUnknown;
  list_to_input(g, n, "pads", 1);
  g.node(n).erase("value");
  if (value != 0.0F)
    g.set_input(n, 2, number(g, n, "value", static_cast<double>(value), data_type(g, n)));
  return {};
}

Refusal slice_10(Editor& g, ir::NodeId n) {
  if (!g.node(n).has("starts") || !g.node(n).has("ends")) return "it lacks starts or ends";
  list_to_input(g, n, "starts", 1);
  list_to_input(g, n, "ends", 2);
  list_to_input(g, n, "axes", 3);
  return {};
}

bool reads_output(const Editor& g, ir::NodeId n, size_t i) {
  const ir::ValueId v = g.node(n).output(i);
  return v != ir::kNone && (!g.readers(v).empty() || g.is_output(v));
}

// 10: the mask became bool. 12: the ratio became an input, and training an input of its own.
Refusal dropout_10(Editor& g, ir::NodeId n) {
  if (reads_output(g, n, 1)) return "its mask is read";
  return {};
}
Refusal dropout_12(Editor& g, ir::NodeId n) {
  if (reads_output(g, n, 1)) return "its mask is read";
  g.set_outputs(n, {g.node(n).output(0)});
  const float ratio = g.node(n).attr_float("ratio", 0.5F);
  g.node(n).erase("ratio");
  g.set_input(n, 1, g.add_constant(wish(g, n, "ratio"), Tensor::scalar(ratio)));
  return {};
}

Refusal batchnorm_9(Editor& g, ir::NodeId n) {
  if (g.node(n).attr_int("spatial", 1) == 0) return "spatial = 0 has no newer form";
  g.node(n).erase("spatial");
  return {};
}
Refusal batchnorm_14(Editor& g, ir::NodeId n) {
  for (size_t i = 1; i < g.node(n).outputs.size(); ++i)
    if (reads_output(g, n, i)) return "its training outputs are read";
  g.set_outputs(n, {g.node(n).output(0)});
  return {};
}

Refusal topk_10(Editor& g, ir::NodeId n) {
  const int64_t k = g.node(n).attr_int("k", 0);
  g.node(n).erase("k");
  g.set_input(n, 1, g.add_constant(wish(g, n, "k"), Tensor::of<int64_t>({1}, {k})));
  return {};
}

Refusal scatter_11(Editor& g, ir::NodeId n) {
  g.node(n).op = "ScatterElements";
  return {};
}

// Before 13, Softmax works on a matrix: the axes before `axis` (default 1) against all others. From
// 13, along one axis.
Refusal softmax_13(Editor& g, ir::NodeId n) {
  const ir::ValueId x = g.node(n).input(0), y = g.node(n).output(0);
  const ir::Type type = g.type(x);
  int64_t axis = g.node(n).attr_int("axis", 1);
  if (type.shape) {
    const int64_t rank = type.rank();
    if (axis < 0) axis += rank;
    bool alone = axis >= 0 && axis < rank;
    for (int64_t i = axis + 1; alone && i < rank; ++i)
      alone = (*type.shape)[static_cast<size_t>(i)].value == 1;
    if (alone) {
      g.node(n).set("axis", axis);
      return {};
    }
  }
  const ir::Type inner = ir::Type::tensor(type.elem, ir::Shape(2));
  const ir::ValueId flat = g.add_value(wish(g, n, "flat"), inner);
  const ir::ValueId result = g.add_value(wish(g, n, "soft"), inner);
  ir::Shape length{type.shape ? ir::Dim(type.rank()) : ir::Dim()};
  const ir::ValueId shape =
      g.add_value(wish(g, n, "shape"), ir::Type::tensor(DType::kInt64, length));
  ir::Node flatten = new_node("Flatten", wish(g, n, "flatten"));
  flatten.inputs = {x};
  flatten.outputs = {flat};
  flatten.set("axis", axis);
  ir::Node sizes = new_node("Shape", wish(g, n, "sizes"));
  sizes.inputs = {x};
  sizes.outputs = {shape};
  ir::Node softmax = g.node(n);
  softmax.inputs = {flat};
  softmax.outputs = {result};
  softmax.set("axis", int64_t{-1});
  softmax.origin = kOrigin;
  g.insert_before(n, std::move(flatten));
  g.insert_before(n, std::move(softmax));
  g.insert_before(n, std::move(sizes));
  // The old node's place and output: the shape back.
  g.set_inputs(n, {result, shape});
  g.set_outputs(n, {y});
  ir::Node& last = g.node(n);
  last.name += last.name.empty() ? "" : ".reshape";
  last.op = "Reshape";
  last.attributes.clear();
  return {};
}

// Upsample 7 has its factors as an attribute, 9 as an input; 10 calls it Resize.
Refusal upsample_9(Editor& g, ir::NodeId n) {
  const std::vector<float> scales = g.node(n).attr_floats("scales");
  if (scales.empty()) return "it has no scales";
  g.node(n).erase("scales");
  g.set_input(
      n, 1,
      g.add_constant(wish(g, n, "scales"), Tensor::of<float>({static_cast<int64_t>(scales.size())},
                                                             std::span<const float>(scales))));
  return {};
}
Refusal upsample_10(Editor& g, ir::NodeId n) {
  g.node(n).op = "Resize";
  return {};
}

// Resize 10 maps x to x / scale; its nearest takes the floor where it enlarges, the ceiling where
// it shrinks.
Refusal resize_11(Editor& g, ir::NodeId n) {
  const std::string mode = g.node(n).attr_string("mode", "nearest");
  std::string nearest = "floor";
  if (mode == "nearest") {
    const Tensor* scales = g.constant(g.node(n).input(1));
    if (!scales || !is_float(*scales))
      return "its scales are not known, on which its rounding depends";
    bool up = false, down = false;
    for (double s : to_doubles(*scales)) {
      up |= s > 1;
      down |= s < 1;
    }
    if (up && down) return "it enlarges one axis and shrinks another";
    if (down) nearest = "ceil";
  }
  const ir::ValueId x = g.node(n).input(0), scales = g.node(n).input(1);
  const ir::ValueId roi = g.add_constant(wish(g, n, "roi"), Tensor::empty(DType::kFloat32, {0}));
  g.set_inputs(n, {x, roi, scales});
  g.node(n).set("coordinate_transformation_mode", std::string("asymmetric"));
  if (mode == "nearest") g.node(n).set("nearest_mode", nearest);
  return {};
}
Refusal resize_13(Editor& g, ir::NodeId n) {
  if (g.node(n).attr_string("coordinate_transformation_mode", "half_pixel") ==
      "tf_half_pixel_for_nn")
    return "tf_half_pixel_for_nn has no newer form";
  return {};
}
// 18: exactly one of scales and sizes; an empty tensor no longer means absent.
Refusal resize_18(Editor& g, ir::NodeId n) {
  for (size_t i = 1; i < g.node(n).inputs.size(); ++i) {
    const Tensor* t = g.constant(g.node(n).input(i));
    if (t && t->count() == 0) g.set_input(n, i, ir::kNone);
  }
  return {};
}

Refusal roi_align_16(Editor& g, ir::NodeId n) {
  if (!g.node(n).has("coordinate_transformation_mode"))
    g.node(n).set("coordinate_transformation_mode", std::string("output_half_pixel"));
  return {};
}

Refusal grid_sample_20(Editor& g, ir::NodeId n) {
  const std::string mode = g.node(n).attr_string("mode", "bilinear");
  g.node(n).set("mode", mode == "bilinear"  ? std::string("linear")
                        : mode == "bicubic" ? std::string("cubic")
                                            : mode);
  return {};
}

Refusal dft_20(Editor& g, ir::NodeId n) {
  const int64_t axis = g.node(n).attr_int("axis", 1);
  g.node(n).erase("axis");
  g.set_input(n, 2, g.add_constant(wish(g, n, "axis"), Tensor::scalar<int64_t>(axis)));
  return {};
}

// 21: scale and bias per channel instead of per group.
Refusal group_norm_21(Editor& g, ir::NodeId n) {
  const ir::Type type = g.type(g.node(n).input(0));
  const int64_t groups = g.node(n).attr_int("num_groups", 0);
  if (type.rank() < 2 || !(*type.shape)[1].known() || groups < 1 ||
      (*type.shape)[1].value % groups != 0)
    return "its number of channels is not known";
  const int64_t channels = (*type.shape)[1].value;
  ir::ValueId spread[2] = {};
  for (size_t i = 0; i < 2; ++i) {
    const Tensor* t = g.constant(g.node(n).input(i + 1));
    if (!t || t->count() != groups || !is_float(*t)) return "its scale or bias is not constant";
  }
  for (size_t i = 0; i < 2; ++i) {
    const Tensor* t = g.constant(g.node(n).input(i + 1));
    std::vector<double> values;
    for (int64_t c = 0; c < channels; ++c)
      values.push_back(tensor::as_double(*t, c / (channels / groups)));
    spread[i] = g.add_constant(wish(g, n, i == 0 ? "scale" : "bias"),
                               tensor::cast(Tensor::of<double>({channels}, values), t->dtype()));
  }
  g.set_inputs(n, {g.node(n).input(0), spread[0], spread[1]});
  return {};
}

Refusal scan_9(Editor&, ir::NodeId) { return "Scan of opset 8 has no newer form"; }

constexpr std::array kConversions{
    Conversion{"BatchNormalization", 9, batchnorm_9},
    Conversion{"BatchNormalization", 14, batchnorm_14},
    Conversion{"Clip", 11, clip_11},
    Conversion{"DFT", 20, dft_20},
    Conversion{"Dropout", 10, dropout_10},
    Conversion{"Dropout", 12, dropout_12},
    Conversion{"GridSample", 20, grid_sample_20},
    Conversion{"GroupNormalization", 21, group_norm_21},
    Conversion{"Hardmax", 13, softmax_13},
    Conversion{"LogSoftmax", 13, softmax_13},
    Conversion{"Pad", 11, pad_11},
    Conversion{"ReduceL1", 18, axes_to_input},
    Conversion{"ReduceL2", 18, axes_to_input},
    Conversion{"ReduceLogSum", 18, axes_to_input},
    Conversion{"ReduceLogSumExp", 18, axes_to_input},
    Conversion{"ReduceMax", 18, axes_to_input},
    Conversion{"ReduceMean", 18, axes_to_input},
    Conversion{"ReduceMin", 18, axes_to_input},
    Conversion{"ReduceProd", 18, axes_to_input},
    Conversion{"ReduceSum", 13, axes_to_input},
    Conversion{"ReduceSumSquare", 18, axes_to_input},
    Conversion{"Resize", 11, resize_11},
    Conversion{"Resize", 13, resize_13},
    Conversion{"Resize", 18, resize_18},
    Conversion{"RoiAlign", 16, roi_align_16},
    Conversion{"Scan", 9, scan_9},
    Conversion{"Scatter", 11, scatter_11},
    Conversion{"Slice", 10, slice_10},
    Conversion{"Softmax", 13, softmax_13},
    Conversion{"Split", 13, split_13},
    Conversion{"Split", 18, split_18},
    Conversion{"Squeeze", 13, axes_to_input},
    Conversion{"TopK", 10, topk_10},
    Conversion{"Unsqueeze", 13, axes_to_input},
    Conversion{"Upsample", 9, upsample_9},
    Conversion{"Upsample", 10, upsample_10},
};

constexpr std::array<std::string_view, 203> kOperators{
#include "passes/opset_operators.inc"
};
static_assert(!kOperators.back().empty() && std::ranges::is_sorted(kOperators));

}  // namespace

std::span<const Conversion> conversions() { return kConversions; }

bool is_known_operator(std::string_view op) { return std::ranges::binary_search(kOperators, op); }

}  // namespace tersor::passes
