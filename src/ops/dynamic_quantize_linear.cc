// DynamicQuantizeLinear (11): uint8 with a scale and zero point from the range of x, widened to hold 0.
#include <algorithm>

#include "ops/detail/quant.h"

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
    low = std::min(low, v);
    high = std::max(high, v);
  }
  // An all-zero input has no scale of its own; any serves.
  const float scale = low == high ? 1.0F : (high - low) / 255.0F;
  const auto zero = static_cast<uint8_t>(saturated(std::nearbyintf(0.0F - low / scale), 0, 0, 255));
  const Tensor s = Tensor::scalar(scale), z = Tensor::scalar(zero);
  const Tensor y = quantize(c.in(0), s, &z, {});
  for (size_t i = 0; i < c.outputs.size(); ++i) c.outputs[i] = i == 0 ? y : i == 1 ? s : z;
}

}  // namespace

extern const Operator kDynamicQuantizeLinear{
    .name = "DynamicQuantizeLinear", .since = 11, .infer = infer, .reference = reference};

}  // namespace tersor::ops
