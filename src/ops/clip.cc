// Clip: y = min(max(x, low), high); bounds are attributes (6) or optional inputs (11, 12, 13).
#include <cmath>
#include <limits>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/elementwise.h"

namespace tersor::ops {
namespace {

using namespace detail;

// A bound in the type of x; `otherwise` if it is absent.
template <typename T>
arithmetic_t<T> bound(const ComputeContext& c, size_t input, const char* attribute,
                      arithmetic_t<T> otherwise) {
  if (c.has(input)) {
    if (c.in(input).count() != 1 || c.in(input).dtype() != c.in(0).dtype())
      base::fail_input("E22", "the bounds of Clip are single elements of the type of its input");
    return load(c.in(input).data<T>()[0]);
  }
  if constexpr (std::is_floating_point_v<arithmetic_t<T>>)
    if (c.version < 11)
      return static_cast<arithmetic_t<T>>(
          c.node.attr_float(attribute, static_cast<float>(otherwise)));
  return otherwise;
}

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  dispatch_numeric(x.dtype(), [&]<typename T>() {
    using A = arithmetic_t<T>;
    using Limits = std::numeric_limits<A>;
    constexpr A kBottom = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    constexpr A kTop = Limits::has_infinity ? Limits::infinity() : Limits::max();
    const A low = bound<T>(c, 1, "min", kBottom), high = bound<T>(c, 2, "max", kTop);
    Tensor& y = c.out(0, x.dtype(), x.dims());
    const auto in = x.data<T>();
    const auto out = y.mutable_data<T>();
    for (size_t i = 0; i < in.size(); ++i) {
      A v = load(in[i]);
      v = v < low ? low : v;
      out[i] = store<T>(v > high ? high : v);
    }
  });
}

// Bounds that are known make a kernel's arguments.
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  kernels::elementwise::Arguments bounds{node.attr_float("min", -HUGE_VALF),
                                         node.attr_float("max", HUGE_VALF)};
  bool known = true;
  for (size_t i = 1; i <= 2; ++i) {
    if (!c.has(i)) continue;
    const Tensor* t = c.in(i).constant;
    known &= t && t->count() == 1 && t->dtype() == DType::kFloat32;
    if (known) (i == 1 ? bounds.alpha : bounds.beta) = t->data<float>()[0];
  }
  return bind_maps(node, c, reference,
                   known ? std::optional(UnaryKernel{Unary::clip, bounds}) : std::nullopt);
}

}  // namespace

extern const Operator kClip{.name = "Clip",
                            .since = 6,
                            .infer = infer_same,
                            .reference = reference,
                            .traits = {.quant = QuantClass::kMaps, .layout = LayoutClass::kAny},
                            .bind = bind};

}  // namespace tersor::ops
