// QuantizeLinear (10, 13, 19, 21, 23, 24, 25) and com.microsoft's: y = saturate(rint(x / scale) +
// zero point), per tensor, axis or block; the quotient in the precision of the scale unless
// attribute `precision` says otherwise.
#include <algorithm>

#include "ops/detail/bind.h"
#include "ops/detail/quant.h"
#include "ops/detail/quant_step.h"

namespace tersor::ops {
namespace {

using namespace detail;

DType target(const ir::Node& node, DType zero_point) {
  if (zero_point != DType::kUndefined) return zero_point;
  return static_cast<DType>(node.attr_int("output_dtype", static_cast<int64_t>(DType::kUint8)));
}

void infer(InferContext& c) {
  const bool open = c.has(2) && c.elem(2) == DType::kUndefined;
  c.out(0, open ? DType::kUndefined : target(c.node, c.has(2) ? c.elem(2) : DType::kUndefined),
        c.shape(0));
}

void reference(ComputeContext& c) {
  const Tensor* zero_point = c.has(2) ? c.inputs[2] : nullptr;
  QuantizeOptions o;
  o.axis = c.node.attr_int("axis", 1);
  o.block = c.node.attr_int("block_size", 0);
  o.saturate = c.node.attr_int("saturate", 1) != 0;
  o.to = target(c.node, zero_point ? zero_point->dtype() : DType::kUndefined);
  o.precision = static_cast<DType>(c.node.attr_int("precision", 0));
  if (o.precision == DType::kUndefined) o.precision = c.in(1).dtype();
  c.outputs[0] = quantize(c.in(0), c.in(1), zero_point, o);
}

std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has_output(0) || c.in(0).dtype != DType::kFloat32) return {};
  const int64_t precision = node.attr_int("precision", 0);
  if (precision != 0 && precision != static_cast<int64_t>(DType::kFloat32)) return {};
  const DType to = target(node, c.has(2) ? c.in(2).dtype : DType::kUndefined);
  if (!tensor::is_integer(to) || (tensor::bits(to) != 8 && tensor::bits(to) != 16)) return {};
  auto format = integer_format(node, c, c.in(0), to);
  if (!format) return {};
  const auto& table = kernels::quantize::table(c.isa);
  if (channels_last(c.outputs[0]) && !channels_last(c.in(0))) {
    if (!format->per_tensor() || tensor::bits(to) != 8 || c.in(0).rank < 3) return {};
    return runtime::Bound{
        [f = *std::move(format), &table](runtime::StepContext& step) {
          return guarded([&] {
            const Tensor& x = step.in(0);
            Dims dims = x.dims();
            std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
            Tensor& y = step.make(0, f.dtype, dims);
            quantize_pixels(table, f, x.dims(), x.data<float>().data(), y.raw_mutable(),
                            *step.pool);
          });
        },
        "quantize_pixels_" + tensor::name(to) + "_" + std::string(base::name(table.isa))};
  }
  return runtime::Bound{[f = *std::move(format), &table](runtime::StepContext& step) {
                          return guarded([&] {
                            const Tensor& x = step.in(0);
                            Tensor& y = step.make(0, f.dtype, x.dims());
                            quantize_all(table, f, x.dims(), x.data<float>().data(),
                                         y.raw_mutable(), *step.pool);
                          });
                        },
                        "quantize_" + tensor::name(to) + "_" + std::string(base::name(table.isa))};
}

constexpr Operator quantizes(const char* domain, int since) {
  return {.name = "QuantizeLinear",
          .domain = domain,
          .since = since,
          .infer = infer,
          .reference = reference,
          .traits = {.layout = LayoutClass::kAny, .lays_out = true},
          .bind = bind};
}

}  // namespace

extern const Operator kQuantizeLinear = quantizes("", 10);
extern const Operator kMicrosoftQuantizeLinear = quantizes("com.microsoft", 1);

}  // namespace tersor::ops
