// DequantizeLinear (10, 13, 19, 21, 23, 24, 25) and com.microsoft's: y = (x - zero point) * scale,
// per tensor, axis or block, in the type of the scale unless output_dtype (23) says otherwise.
#include <algorithm>

#include "ops/detail/bind.h"
#include "ops/detail/quant.h"
#include "ops/detail/quant_step.h"

namespace tersor::ops {
namespace {

using namespace detail;

DType target(const ir::Node& node, DType scale) {
  const auto named = static_cast<DType>(node.attr_int("output_dtype", 0));
  return named == DType::kUndefined ? scale : named;
}

void infer(InferContext& c) { c.out(0, target(c.node, c.elem(1)), c.shape(0)); }

void reference(ComputeContext& c) {
  c.outputs[0] =
      dequantize(c.in(0), c.in(1), c.has(2) ? c.inputs[2] : nullptr, c.node.attr_int("axis", 1),
                 c.node.attr_int("block_size", 0), target(c.node, c.in(1).dtype()));
}

std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has_output(0)) return {};
  const DType from = c.in(0).dtype;
  if (target(node, c.in(1).dtype) != DType::kFloat32 || !tensor::is_integer(from)) return {};
  if (tensor::bits(from) != 8 && tensor::bits(from) != 16 && from != DType::kInt32) return {};
  auto format = integer_format(node, c, c.in(0), from);
  if (!format) return {};
  // A zero point of int32 has no use; differences of large numbers would wrap.
  if (from == DType::kInt32 && std::ranges::any_of(format->zeros, [](int32_t z) { return z != 0; }))
    return {};
  const auto& table = kernels::quantize::table(c.isa);
  return runtime::Bound{
      [f = *std::move(format), &table](runtime::StepContext& step) {
        return guarded([&] {
          const Tensor& x = step.in(0);
          Tensor& y = step.make(0, DType::kFloat32, x.dims());
          dequantize_all(table, f, x.dims(), x.raw(), y.mutable_data<float>().data(), *step.pool);
        });
      },
      "dequantize_" + tensor::name(from) + "_" + std::string(base::name(table.isa))};
}

constexpr Operator dequantizes(const char* domain, int since) {
  return {.name = "DequantizeLinear",
          .domain = domain,
          .since = since,
          .infer = infer,
          .reference = reference,
          .traits = {.layout = LayoutClass::kAny},
          .bind = bind};
}

}  // namespace

extern const Operator kDequantizeLinear = dequantizes("", 10);
extern const Operator kMicrosoftDequantizeLinear = dequantizes("com.microsoft", 1);

}  // namespace tersor::ops
