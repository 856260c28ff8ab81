// Identity, Constant and ConstantOfShape; Shape (1, 13, 15) and Size.
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/move.h"

namespace tersor::ops {
namespace {

using namespace detail;

// ---- Identity ----------------------------------------------------------------------------------

void identity_infer(InferContext& c) {
  c.out(0, c.in(0));
  if (auto v = elements(c, 0)) c.set_contents(0, *std::move(v));
}

void identity(ComputeContext& c) { c.outputs[0] = c.in(0); }

// ---- Constant: exactly one of its attributes ---------------------------------------------------

Tensor value_of(const ir::Node& node) {
  if (const Tensor* t = node.attr_tensor("value")) return *t;
  if (node.has("value_float")) return Tensor::scalar(node.attr_float("value_float", 0));
  if (node.has("value_int")) return Tensor::scalar<int64_t>(node.attr_int("value_int", 0));
  if (node.has("value_floats")) {
    const std::vector<float> v = node.attr_floats("value_floats");
    return Tensor::of<float>({static_cast<int64_t>(v.size())}, std::span<const float>(v));
  }
  if (node.has("value_ints")) return Tensor::vector(node.attr_ints("value_ints"));
  if (node.has("value_string"))
    return Tensor::of_strings({}, {node.attr_string("value_string", "")});
  if (node.has("value_strings")) {
    std::vector<std::string> v = node.attr_strings("value_strings");
    return Tensor::of_strings({static_cast<int64_t>(v.size())}, std::move(v));
  }
  base::fail_unsupported("a Constant without a dense value (sparse_value)");
}

void constant_infer(InferContext& c) {
  const Tensor t = value_of(c.node);
  c.out(0, t.dtype(), ir::to_shape(t.dims()));
  if ((!tensor::is_integer(t.dtype()) && t.dtype() != DType::kBool) || t.count() > 4096) return;
  std::vector<ir::Dim> v;
  for (int64_t x : tensor::to_int64s(t)) v.push_back(element(x));
  c.set_contents(0, std::move(v));
}

void constant(ComputeContext& c) { c.outputs[0] = value_of(c.node); }

// ---- ConstantOfShape ---------------------------------------------------------------------------

Tensor fill_value(const ir::Node& node) {
  const Tensor* t = node.attr_tensor("value");
  if (!t) return Tensor::scalar(0.0f);
  if (t->count() != 1)
    base::fail_input("E22", "the value of ConstantOfShape must be one element, it has shape {}",
                     tensor::to_string(t->dims()));
  return *t;
}

void constant_of_shape_infer(InferContext& c) {
  const Tensor v = fill_value(c.node);
  const auto dims = elements(c, 0);
  if (dims) {
    c.out(0, v.dtype(), *dims);
    if (dims->size() == 1 && (*dims)[0].known() && (*dims)[0].value <= 4096 &&
        (tensor::is_integer(v.dtype()) || v.dtype() == DType::kBool))
      c.set_contents(0, std::vector<ir::Dim>(static_cast<size_t>((*dims)[0].value),
                                             element(tensor::as_int64(v, 0))));
    return;
  }
  std::optional<ir::Shape> shape;
  if (c.rank(0) == 1 && (*c.shape(0))[0].known() && (*c.shape(0))[0].value <= 64)
    shape.emplace(static_cast<size_t>((*c.shape(0))[0].value));
  c.out(0, v.dtype(), std::move(shape));
}

void constant_of_shape(ComputeContext& c) {
  const Tensor v = fill_value(c.node);
  Sink y(c, 0, v.dtype(), tensor::to_int64s(c.in(0)));
  y.fill(0, y.count(), Source(v));
}

// ---- Shape, Size -------------------------------------------------------------------------------

// The axes [start, end) of the attributes, clamped to the rank.
std::pair<int, int> range_of(const ir::Node& node, int rank) {
  const auto clamp = [&](int64_t v) {
    return static_cast<int>(std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank));
  };
  const int first = clamp(node.attr_int("start", 0)), last = clamp(node.attr_int("end", rank));
  return {first, std::max(first, last)};
}

void shape_infer(InferContext& c) {
  if (c.rank(0) < 0) return c.out(0, DType::kInt64, ir::Shape{ir::Dim()});
  const auto [first, last] = range_of(c.node, c.rank(0));
  c.out(0, DType::kInt64, ir::Shape{ir::Dim(last - first)});
  c.set_contents(0, {c.shape(0)->begin() + first, c.shape(0)->begin() + last});
}

void shape(ComputeContext& c) {
  const Dims& dims = c.in(0).dims();
  const auto [first, last] = range_of(c.node, c.in(0).rank());
  Tensor& y = c.out(0, DType::kInt64, {last - first});
  std::copy(dims.begin() + first, dims.begin() + last, y.mutable_data<int64_t>().begin());
}

std::optional<runtime::Bound> shape_bind(const ir::Node& node, const runtime::BindContext& c) {
  if (channels_last(c.in(0))) return {};
  return runtime::Bound{[node](runtime::StepContext& s) {
                          return guarded([&] {
                            const Dims& dims = s.in(0).dims();
                            const auto [first, last] = range_of(node, s.in(0).rank());
                            Tensor& y = s.make(0, DType::kInt64, {last - first});
                            std::copy(dims.begin() + first, dims.begin() + last,
                                      y.mutable_data<int64_t>().begin());
                          });
                        },
                        "dims"};
}

std::optional<runtime::Bound> size_bind(const ir::Node&, const runtime::BindContext&) {
  return runtime::Bound{[](runtime::StepContext& s) {
                          return guarded([&] {
                            s.make(0, DType::kInt64, {}).mutable_data<int64_t>()[0] =
                                s.in(0).count();
                          });
                        },
                        "dims"};
}

void size_infer(InferContext& c) {
  c.out(0, DType::kInt64, ir::Shape{});
  if (c.shape(0)) c.set_contents(0, {product(*c.shape(0))});
}

void size(ComputeContext& c) {
  c.out(0, DType::kInt64, {}).mutable_data<int64_t>()[0] = c.in(0).count();
}

}  // namespace

extern const Operator kIdentity{
    .name = "Identity",
    .infer = identity_infer,
    .reference = identity,
    .traits = {.quant = QuantClass::kMoves, .layout = LayoutClass::kAny, .view = true},
    .bind = views<identity>};
extern const Operator kConstant{.name = "Constant",
                                .infer = constant_infer,
                                .reference = constant,
                                .traits = {.data_inputs = 0}};
extern const Operator kConstantOfShape{.name = "ConstantOfShape",
                                       .since = 9,
                                       .infer = constant_of_shape_infer,
                                       .reference = constant_of_shape,
                                       .traits = {.data_inputs = 0}};
extern const Operator kShape{.name = "Shape",
                             .infer = shape_infer,
                             .reference = shape,
                             .traits = {.data_inputs = 0},
                             .bind = shape_bind};
extern const Operator kSize{.name = "Size",
                            .infer = size_infer,
                            .reference = size,
                            .traits = {.data_inputs = 0},
                            .bind = size_bind};

}  // namespace tersor::ops
