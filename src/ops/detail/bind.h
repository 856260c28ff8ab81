// Bindings that many operators share. Each returns nullopt where these wires have no such step.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "kernels/elementwise/elementwise.h"
#include "ops/detail/bytes.h"
#include "ops/operator.h"

namespace tersor::ops::detail {

using Reference = void (*)(ComputeContext&);

// Runs f, which may throw, as a step does: an Error becomes a Status.
runtime::Status guarded(const std::function<void()>& f) noexcept;

// ---- layouts -----------------------------------------------------------------------------------

inline bool channels_last(const runtime::Wire& wire) {
  return wire.layout == runtime::Layout::kChannelsLast;
}
// Where a logical axis lies in channels-last order [N, spatial..., C].
constexpr int physical_axis(int axis, int rank) {
  return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1;
}
// A constant in logical order, of rank at most `rank`, as it broadcasts against channels-last
// tensors.
Tensor physical(const Tensor& logical, int rank);

// ---- element by element ------------------------------------------------------------------------

using kernels::elementwise::Unary;

// A kernel that computes the operator on float32.
struct UnaryKernel {
  Unary function;
  kernels::elementwise::Arguments arguments = {};
};

// One output element per element of input 0, other inputs being single elements. 8-bit wires: a
// table made by the reference in float; float32: the kernel, if given, also to an 8-bit output;
// else the reference on pieces, in parallel.
std::optional<runtime::Bound> bind_maps(const ir::Node& node, const runtime::BindContext& c,
                                        Reference reference,
                                        std::optional<UnaryKernel> kernel = {});
template <Reference kReference>
std::optional<runtime::Bound> maps(const ir::Node& node, const runtime::BindContext& c) {
  return bind_maps(node, c, kReference);
}
template <Reference kReference, Unary kFunction>
std::optional<runtime::Bound> maps_with(const ir::Node& node, const runtime::BindContext& c) {
  return bind_maps(node, c, kReference, UnaryKernel{kFunction});
}

// ---- moving ------------------------------------------------------------------------------------

// The node as the reference shall see it: changed attributes, and inputs replaced by constants.
struct Adapted {
  ir::Node node;
  std::vector<std::pair<size_t, Tensor>> replaced = {};
};

// The reference on the bytes of input 0, and a table behind it if the output has another format
// than the input. `adapted` stands for the node (for physical axes); by default the node itself.
std::optional<runtime::Bound> bind_moves(const ir::Node& node, const runtime::BindContext& c,
                                         Reference reference, const char* kernel,
                                         std::optional<Adapted> adapted = {});
template <Reference kReference>
std::optional<runtime::Bound> moves(const ir::Node& node, const runtime::BindContext& c) {
  if (c.has_output(0) && channels_last(c.outputs[0])) return {};
  return bind_moves(node, c, kReference, "copy");
}
// Element-wise views such as Identity work in any layout.
template <Reference kReference>
std::optional<runtime::Bound> views(const ir::Node& node, const runtime::BindContext& c) {
  return bind_moves(node, c, kReference, "view");
}

}  // namespace tersor::ops::detail
