// Dropout (7, 10, 12, 13) while inferring: the identity, and a mask of ones. Training is not
// supported.
#include <algorithm>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/dispatch.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  c.out(0, c.elem(0), c.shape(0));
  c.out(1, c.version < 10 ? c.elem(0) : DType::kBool, c.shape(0));
}

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  if (c.has(2) && tensor::as_int64(c.in(2), 0) != 0 && scalar_double(c, 1, 0.5) != 0)
    base::fail_unsupported("a Dropout that is told to train");
  c.outputs[0] = x;
  if (!c.wants(1)) return;
  if (c.version < 10) {
    const Tensor one = tensor::cast(Tensor::scalar(1.0f), x.dtype());
    Tensor& y = c.out(1, x.dtype(), x.dims());
    for (size_t at = 0; at < y.bytes(); at += one.bytes())
      std::copy_n(one.raw(), one.bytes(), y.raw_mutable() + at);
    return;
  }
  Tensor& y = c.out(1, DType::kBool, x.dims());
  std::ranges::fill(bool_bytes(y), uint8_t{1});
}

}  // namespace

extern const Operator kDropout{
    .name = "Dropout",
    .since = 7,
    .infer = infer,
    .reference = reference,
    .traits = {.quant = QuantClass::kMoves, .layout = LayoutClass::kAny, .view = true},
    .bind = views<reference>};

}  // namespace tersor::ops
