// Relu (1, 6, 13, 14): y = max(x, 0).
#include <algorithm>

#include "ops/detail/bind.h"

namespace tersor::ops {
namespace {

void infer(InferContext& c) { c.out(0, c.elem(0), c.shape(0)); }

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  Tensor& y = c.out(0, x.dtype(), x.dims());
  if (x.dtype() == DType::kFloat32) {
    const auto in = x.data<float>();
    std::ranges::transform(in, y.mutable_data<float>().begin(),
                           [](float v) { return v > 0 ? v : 0; });
    return;
  }
  const Tensor wide = tensor::cast(x, DType::kFloat64);
  Tensor result = Tensor::empty(DType::kFloat64, x.dims());
  std::ranges::transform(wide.data<double>(), result.mutable_data<double>().begin(),
                         [](double v) { return v > 0 ? v : 0; });
  y = tensor::cast(result, x.dtype());
}

}  // namespace

extern const Operator kRelu{.name = "Relu",
                            .infer = infer,
                            .reference = reference,
                            .traits = {.quant = QuantClass::kMaps, .layout = LayoutClass::kAny},
                            .bind = detail::maps_with<reference, detail::Unary::relu>,
                            .max_inputs = 1};

}  // namespace tersor::ops
