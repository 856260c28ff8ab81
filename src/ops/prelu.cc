// PRelu (7, 9, 16): y = x < 0 ? slope * x : x; the slope broadcasts to x.
#include "ops/detail/arguments.h"
#include "ops/detail/bind_binary.h"
#include "ops/detail/elementwise.h"

namespace tersor::ops {
namespace {

using namespace detail;

constexpr auto kFunction = [](auto v, auto s) {
  return v < 0 ? static_cast<decltype(v)>(s * v) : v;
};

void reference(ComputeContext& c) {
  const Tensor &x = c.in(0), &slope = c.in(1);
  if (slope.dtype() != x.dtype())
    base::fail_input("E16", "the slope of PRelu is {}, its input {}", tensor::name(slope.dtype()),
                     tensor::name(x.dtype()));
  if (broadcast_dims(x.dims(), slope.dims()) != x.dims())
    base::fail_input("E17", "a slope of shape {} does not broadcast to {}",
                     tensor::to_string(slope.dims()), tensor::to_string(x.dims()));
  dispatch_numeric(x.dtype(), [&]<typename T>() { combine<T>(c, 0, x, slope, kFunction); });
}

}  // namespace

extern const Operator kPRelu{
    .name = "PRelu",
    .since = 7,
    .infer = infer_same,
    .reference = reference,
    .traits = {.quant = QuantClass::kCombines, .data_inputs = 3, .layout = LayoutClass::kAny},
    .bind = bind_binary<kFunction>};

}  // namespace tersor::ops
