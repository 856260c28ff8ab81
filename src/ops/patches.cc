#include "ops/patches.h"

#include <numeric>

#include "ops/detail/conv_shape.h"

namespace tersor::ops {
namespace {

int64_t product(const Dims& dims, size_t from) {
  return std::accumulate(dims.begin() + static_cast<std::ptrdiff_t>(from), dims.end(), int64_t{1},
                         std::multiplies<>());
}

}  // namespace

std::optional<Filters> filters_of(const ir::Node& node, const Dims& weight) {
  if (weight.size() < 2 || product(weight, 0) == 0) return {};
  Filters f;
  if (node.op == "Conv") {
    f.groups = node.attr_int("group", 1);
    f.count = weight[0];
    f.length = f.filter_stride = product(weight, 1);
    f.element_stride = 1;
    if (f.groups <= 0 || f.count % f.groups != 0) return {};
    return f;
  }
  if (node.op != "Gemm" && (node.op != "MatMul" || weight.size() != 2)) return {};
  const bool transposed = node.op == "Gemm" && node.attr_int("transB", 0) != 0;
  f.count = weight[transposed ? 0 : 1];
  f.length = weight[transposed ? 1 : 0];
  f.filter_stride = transposed ? f.length : 1;
  f.element_stride = transposed ? 1 : f.count;
  return f;
}

Patches::Patches(const ir::Node& node, const Dims& weight, const Dims& value)
    : filters_(filters_of(node, weight).value_or(Filters{})) {
  if (node.op != "Conv") {
    rows_ = filters_.length > 0 ? product(value, 0) / filters_.length : 0;
    return;
  }
  taps_ = product(weight, 2);
  plane_ = product(value, 2);
  const detail::Window window = detail::window_of(node, Dims(weight.begin() + 2, weight.end()));
  const auto axes = window.place(std::span(value).subspan(2));
  std::vector<detail::Tap> taps;
  detail::for_each_index(detail::outputs_of(axes), [&](std::span<const int64_t> index) {
    first_.push_back(static_cast<int64_t>(placed_.size()));
    detail::taps_at(axes, index, taps);
    for (const detail::Tap& t : taps) placed_.push_back({t.tap, t.offset});
  });
  rows_ = value[0] * static_cast<int64_t>(first_.size());
  first_.push_back(static_cast<int64_t>(placed_.size()));
}

}  // namespace tersor::ops
