// Element by element: Abs Neg Ceil Floor Round Sqrt Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh
// Asinh Acosh Atanh Erf Sign Reciprocal (floats; Abs, Neg, Sign also integers), Not, BitwiseNot,
// IsNaN, IsInf.
#include <cmath>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/elementwise.h"

namespace tersor::ops {
namespace {

using namespace detail;

template <unsigned kSet, auto kFunction>
void unary(ComputeContext& c) {
  map_unary<kSet>(c, kFunction);
}

template <Reference kReference>
constexpr Operator mapping(const char* name) {
  return {.name = name,
          .infer = infer_same,
          .reference = kReference,
          .traits = {.quant = QuantClass::kMaps, .layout = LayoutClass::kAny},
          .bind = maps<kReference>,
          .max_inputs = 1};
}
// The same with a kernel for float32.
template <Reference kReference, Unary kFunction>
constexpr Operator mapping(const char* name) {
  Operator op = mapping<kReference>(name);
  op.bind = maps_with<kReference, kFunction>;
  return op;
}

void infer_bool(InferContext& c) { c.out(0, DType::kBool, c.shape(0)); }

std::optional<runtime::Bound> bind_not(const ir::Node&, const runtime::BindContext& c) {
  if (c.in(0).dtype != DType::kBool) return {};
  return runtime::Bound{[](runtime::StepContext& s) {
                          return guarded([&] {
                            const Tensor& x = s.in(0);
                            const auto in = bool_bytes(x);
                            const auto out = bool_bytes(s.make(0, DType::kBool, x.dims()));
                            s.pool->parallel_for(
                                x.count(), 65536, [&](int64_t begin, int64_t end, int) {
                                  for (int64_t i = begin; i < end; ++i)
                                    out[static_cast<size_t>(i)] = in[static_cast<size_t>(i)] == 0;
                                });
                          });
                        },
                        "not"};
}

constexpr Operator predicate(const char* name, void (*reference)(ComputeContext&)) {
  return {.name = name,
          .infer = infer_bool,
          .reference = reference,
          .traits = {.layout = LayoutClass::kAny}};
}

// Integers wrap as two's complement.
template <typename T>
T negated(T v) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(0 - static_cast<uint64_t>(v));
  else
    return -v;
}
constexpr auto kAbsolute = [](auto v) {
  if constexpr (std::is_floating_point_v<decltype(v)>)
    return std::fabs(v);
  else
    return v < 0 ? negated(v) : v;
};
constexpr auto kNegated = [](auto v) { return negated(v); };
constexpr auto kSigned = [](auto v) {
  using T = decltype(v);
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(v)) return v;
  return static_cast<T>((v > T{0}) - (v < T{0}));
};

void invert(ComputeContext& c) {
  const Tensor& x = c.in(0);
  if (x.dtype() != DType::kBool)
    base::fail_input("E16", "Not takes bool, not {}", tensor::name(x.dtype()));
  Tensor& y = c.out(0, DType::kBool, x.dims());
  const auto in = bool_bytes(x);
  const auto out = bool_bytes(y);
  for (size_t i = 0; i < in.size(); ++i) out[i] = in[i] == 0;
}

void is_nan(ComputeContext& c) {
  const Tensor& x = c.in(0);
  dispatch_float(x.dtype(), [&]<typename T>() {
    Tensor& y = c.out(0, DType::kBool, x.dims());
    const auto in = x.data<T>();
    const auto out = bool_bytes(y);
    for (size_t i = 0; i < in.size(); ++i) out[i] = std::isnan(load(in[i]));
  });
}

void is_inf(ComputeContext& c) {
  const bool negative = c.node.attr_int("detect_negative", 1) != 0;
  const bool positive = c.node.attr_int("detect_positive", 1) != 0;
  const Tensor& x = c.in(0);
  dispatch_float(x.dtype(), [&]<typename T>() {
    Tensor& y = c.out(0, DType::kBool, x.dims());
    const auto in = x.data<T>();
    const auto out = bool_bytes(y);
    for (size_t i = 0; i < in.size(); ++i) {
      const auto v = load(in[i]);
      out[i] = std::isinf(v) && (v > 0 ? positive : negative);
    }
  });
}

}  // namespace

extern const Operator kAbs = mapping<unary<kNumericTypes, kAbsolute>, Unary::abs>("Abs");
extern const Operator kNeg =
    mapping<unary<kFloatTypes | kSignedTypes, kNegated>, Unary::neg>("Neg");
extern const Operator kSign = mapping<unary<kNumericTypes, kSigned>>("Sign");
extern const Operator kCeil =
    mapping<unary<kFloatTypes, [](auto v) { return std::ceil(v); }>, Unary::ceil>("Ceil");
extern const Operator kFloor =
    mapping<unary<kFloatTypes, [](auto v) { return std::floor(v); }>, Unary::floor>("Floor");
extern const Operator kRound =  // halves to even
    mapping<unary<kFloatTypes, [](auto v) { return std::nearbyint(v); }>, Unary::round>("Round");
extern const Operator kSqrt =
    mapping<unary<kFloatTypes, [](auto v) { return std::sqrt(v); }>, Unary::sqrt>("Sqrt");
extern const Operator kExp =
    mapping<unary<kFloatTypes, [](auto v) { return std::exp(v); }>, Unary::exp>("Exp");
extern const Operator kLog =
    mapping<unary<kFloatTypes, [](auto v) { return std::log(v); }>, Unary::log>("Log");
extern const Operator kSin = mapping<unary<kFloatTypes, [](auto v) { return std::sin(v); }>>("Sin");
extern const Operator kCos = mapping<unary<kFloatTypes, [](auto v) { return std::cos(v); }>>("Cos");
extern const Operator kTan = mapping<unary<kFloatTypes, [](auto v) { return std::tan(v); }>>("Tan");
extern const Operator kAsin =
    mapping<unary<kFloatTypes, [](auto v) { return std::asin(v); }>>("Asin");
extern const Operator kAcos =
    mapping<unary<kFloatTypes, [](auto v) { return std::acos(v); }>>("Acos");
extern const Operator kAtan =
    mapping<unary<kFloatTypes, [](auto v) { return std::atan(v); }>>("Atan");
extern const Operator kSinh =
    mapping<unary<kFloatTypes, [](auto v) { return std::sinh(v); }>>("Sinh");
extern const Operator kCosh =
    mapping<unary<kFloatTypes, [](auto v) { return std::cosh(v); }>>("Cosh");
extern const Operator kAsinh =
    mapping<unary<kFloatTypes, [](auto v) { return std::asinh(v); }>>("Asinh");
extern const Operator kAcosh =
    mapping<unary<kFloatTypes, [](auto v) { return std::acosh(v); }>>("Acosh");
extern const Operator kAtanh =
    mapping<unary<kFloatTypes, [](auto v) { return std::atanh(v); }>>("Atanh");
extern const Operator kErf =
    mapping<unary<kFloatTypes, [](auto v) { return std::erf(v); }>, Unary::erf>("Erf");
extern const Operator kReciprocal =
    mapping<unary<kFloatTypes, [](auto v) { return 1 / v; }>, Unary::reciprocal>("Reciprocal");
extern const Operator kBitwiseNot{
    .name = "BitwiseNot",
    .infer = infer_same,
    .reference = unary<kIntegerTypes, [](auto v) { return static_cast<decltype(v)>(~v); }>,
    .traits = {.layout = LayoutClass::kAny}};
extern const Operator kNot{.name = "Not",
                           .infer = infer_bool,
                           .reference = invert,
                           .traits = {.layout = LayoutClass::kAny},
                           .bind = bind_not};
extern const Operator kIsNaN = predicate("IsNaN", is_nan);
extern const Operator kIsInf = predicate("IsInf", is_inf);

}  // namespace tersor::ops
