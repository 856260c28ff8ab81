// DynamicQuantizeLinear (11): uint8 with a scale and zero point from the range of x, widened to
// hold 0.
#include <algorithm>
#include <cmath>

#include "ops/detail/bind.h"
#include "ops/detail/quant.h"
#include "ops/detail/quant_step.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  c.out(0, DType::kUint8, c.shape(0));
  c.out(1, DType::kFloat32, ir::Shape{});
  c.out(2, DType::kUint8, ir::Shape{});
}

void reference(ComputeContext& c) {
  float low = 0, high = 0;
  for (float v : c.in(0).data<float>()) {
    if (!std::isfinite(v)) continue;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  const DynamicFormat f = dynamic_format(low, high);
  const Tensor s = Tensor::scalar(f.scale), z = Tensor::scalar(f.zero);
  const Tensor y = quantize(c.in(0), s, &z, {});
  for (size_t i = 0; i < c.outputs.size(); ++i) c.outputs[i] = i == 0 ? y : i == 1 ? s : z;
}

std::optional<runtime::Bound> bind(const ir::Node&, const runtime::BindContext& c) {
  if (!c.has(0) || c.outputs.size() != 3 || c.in(0).dtype != DType::kFloat32) return {};
  const auto& table = kernels::quantize::table(c.isa);
  return runtime::Bound{[&table](runtime::StepContext& step) {
                          return guarded([&] {
                            const Tensor& x = step.in(0);
                            const float* in = x.data<float>().data();
                            const DynamicFormat f =
                                dynamic_format(table, in, x.count(), *step.pool);
                            Tensor& y = step.make(0, DType::kUint8, x.dims());
                            quantize_all(table, {DType::kUint8, {f.scale}, {f.zero}}, x.dims(), in,
                                         y.raw_mutable(), *step.pool);
                            step.make(1, DType::kFloat32, {}).mutable_data<float>()[0] = f.scale;
                            step.make(2, DType::kUint8, {}).mutable_data<uint8_t>()[0] = f.zero;
                          });
                        },
                        "dynamic_quantize_" + std::string(base::name(table.isa))};
}

}  // namespace

extern const Operator kDynamicQuantizeLinear{.name = "DynamicQuantizeLinear",
                                             .since = 11,
                                             .infer = infer,
                                             .reference = reference,
                                             .bind = bind};

}  // namespace tersor::ops
