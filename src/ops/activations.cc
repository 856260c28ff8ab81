// Activation functions, element by element on floats: Sigmoid HardSigmoid Tanh LeakyRelu Elu Selu
// Celu ThresholdedRelu Softplus Softsign HardSwish Gelu Mish Swish, and Shrink (integers too).
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/elementwise.h"

namespace tersor::ops {
namespace {

using namespace detail;

// x in its arithmetic type; attributes are float32 and widen exactly.
template <typename T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}
template <typename T>
T softplus(T x) {
  return std::max(x, T{0}) + std::log1p(std::exp(-std::fabs(x)));
}

void sigmoid_reference(ComputeContext& c) {
  map_unary<kFloatTypes>(c, [](auto x) { return sigmoid(x); });
}
void tanh_reference(ComputeContext& c) {
  map_unary<kFloatTypes>(c, [](auto x) { return std::tanh(x); });
}
void hard_sigmoid(ComputeContext& c) {
  const float a = c.node.attr_float("alpha", 0.2f), b = c.node.attr_float("beta", 0.5f);
  map_unary<kFloatTypes>(c, [=](auto x) {
    using T = decltype(x);
    return std::clamp(static_cast<T>(a) * x + static_cast<T>(b), T{0}, T{1});
  });
}
void leaky_relu(ComputeContext& c) {
  const float a = c.node.attr_float("alpha", 0.01f);
  map_unary<kFloatTypes>(c, [=](auto x) { return x < 0 ? static_cast<decltype(x)>(a) * x : x; });
}
void elu(ComputeContext& c) {
  const float a = c.node.attr_float("alpha", 1);
  map_unary<kFloatTypes>(
      c, [=](auto x) { return x < 0 ? static_cast<decltype(x)>(a) * std::expm1(x) : x; });
}
void selu(ComputeContext& c) {
  const float a = c.node.attr_float("alpha", 1.67326319217681884765625f);
  const float g = c.node.attr_float("gamma", 1.05070102214813232421875f);
  map_unary<kFloatTypes>(c, [=](auto x) {
    using T = decltype(x);
    return static_cast<T>(g) * (x > 0 ? x : static_cast<T>(a) * std::expm1(x));
  });
}
void celu(ComputeContext& c) {
  const float a = c.node.attr_float("alpha", 1);
  map_unary<kFloatTypes>(c, [=](auto x) {
    using T = decltype(x);
    const T s = static_cast<T>(a);
    return std::max(T{0}, x) + std::min(T{0}, s * std::expm1(x / s));
  });
}
void thresholded_relu(ComputeContext& c) {
  const float a = c.node.attr_float("alpha", 1);
  map_unary<kFloatTypes>(c, [=](auto x) {
    using T = decltype(x);
    return x > static_cast<T>(a) ? x : T{0};
  });
}
void softplus_reference(ComputeContext& c) {
  map_unary<kFloatTypes>(c, [](auto x) { return softplus(x); });
}
void softsign(ComputeContext& c) {
  map_unary<kFloatTypes>(c, [](auto x) { return x / (1 + std::fabs(x)); });
}
void hard_swish(ComputeContext& c) {
  map_unary<kFloatTypes>(c, [](auto x) {
    using T = decltype(x);
    return x * std::clamp(x / T{6} + T{0.5f}, T{0}, T{1});
  });
}
void gelu(ComputeContext& c) {
  const bool tanh = c.node.attr_string("approximate", "none") == "tanh";
  map_unary<kFloatTypes>(c, [=](auto x) {
    using T = decltype(x);
    if (tanh) {
      const T k = static_cast<T>(std::sqrt(2 / std::numbers::pi));
      return T{0.5f} * x * (1 + std::tanh(k * (x + static_cast<T>(0.044715) * x * x * x)));
    }
    return T{0.5f} * x * (1 + std::erf(x / static_cast<T>(std::numbers::sqrt2)));
  });
}
void mish(ComputeContext& c) {
  map_unary<kFloatTypes>(c, [](auto x) { return x * std::tanh(softplus(x)); });
}
void swish(ComputeContext& c) {
  const float a = c.node.attr_float("alpha", 1);
  map_unary<kFloatTypes>(c, [=](auto x) { return x * sigmoid(static_cast<decltype(x)>(a) * x); });
}
void shrink(ComputeContext& c) {
  const float bias = c.node.attr_float("bias", 0), lambda = c.node.attr_float("lambd", 0.5f);
  map_unary<kNumericTypes>(c, [=](auto x) {
    using T = decltype(x);
    using C = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const C v = static_cast<C>(x), l = static_cast<C>(lambda), b = static_cast<C>(bias);
    return static_cast<T>(v < -l ? v + b : v > l ? v - b : C{0});
  });
}

// The kernels with the attributes of their operators.
std::optional<runtime::Bound> hard_sigmoid_bind(const ir::Node& n, const runtime::BindContext& c) {
  return bind_maps(
      n, c, hard_sigmoid,
      UnaryKernel{Unary::hard_sigmoid, {n.attr_float("alpha", 0.2f), n.attr_float("beta", 0.5f)}});
}
std::optional<runtime::Bound> leaky_relu_bind(const ir::Node& n, const runtime::BindContext& c) {
  return bind_maps(n, c, leaky_relu,
                   UnaryKernel{Unary::leaky_relu, {n.attr_float("alpha", 0.01f), 0}});
}
std::optional<runtime::Bound> elu_bind(const ir::Node& n, const runtime::BindContext& c) {
  return bind_maps(n, c, elu, UnaryKernel{Unary::elu, {n.attr_float("alpha", 1), 0}});
}
std::optional<runtime::Bound> gelu_bind(const ir::Node& n, const runtime::BindContext& c) {
  const bool tanh = n.attr_string("approximate", "none") == "tanh";
  return bind_maps(n, c, gelu, UnaryKernel{tanh ? Unary::gelu_tanh : Unary::gelu});
}
std::optional<runtime::Bound> swish_bind(const ir::Node& n, const runtime::BindContext& c) {
  return bind_maps(n, c, swish, UnaryKernel{Unary::silu, {n.attr_float("alpha", 1), 0}});
}

template <Reference kReference, decltype(Operator::bind) kBind = maps<kReference>>
constexpr Operator mapping(const char* name, std::optional<std::pair<float, float>> range = {}) {
  return {.name = name,
          .infer = infer_same,
          .reference = kReference,
          .traits = {.quant = QuantClass::kMaps, .layout = LayoutClass::kAny, .fixed_range = range},
          .bind = kBind,
          .max_inputs = 1};
}

}  // namespace

extern const Operator kSigmoid =
    mapping<sigmoid_reference, maps_with<sigmoid_reference, Unary::sigmoid>>("Sigmoid",
                                                                             {{0.0f, 1.0f}});
extern const Operator kHardSigmoid =
    mapping<hard_sigmoid, hard_sigmoid_bind>("HardSigmoid", {{0.0f, 1.0f}});
extern const Operator kTanh =
    mapping<tanh_reference, maps_with<tanh_reference, Unary::tanh>>("Tanh", {{-1.0f, 1.0f}});
extern const Operator kLeakyRelu = mapping<leaky_relu, leaky_relu_bind>("LeakyRelu");
extern const Operator kElu = mapping<elu, elu_bind>("Elu");
extern const Operator kSelu = mapping<selu>("Selu");
extern const Operator kCelu = mapping<celu>("Celu");
extern const Operator kThresholdedRelu = mapping<thresholded_relu>("ThresholdedRelu");
extern const Operator kSoftplus =
    mapping<softplus_reference, maps_with<softplus_reference, Unary::softplus>>("Softplus");
extern const Operator kSoftsign = mapping<softsign>("Softsign");
extern const Operator kHardSwish =
    mapping<hard_swish, maps_with<hard_swish, Unary::hard_swish>>("HardSwish");
extern const Operator kGelu = mapping<gelu, gelu_bind>("Gelu");
extern const Operator kMish = mapping<mish, maps_with<mish, Unary::mish>>("Mish");
extern const Operator kSwish = mapping<swish, swish_bind>("Swish");
extern const Operator kShrink = mapping<shrink>("Shrink");

}  // namespace tersor::ops
