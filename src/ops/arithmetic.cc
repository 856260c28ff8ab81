// Arithmetic with numpy broadcasting: Add Sub Mul Div (7, 13, 14), Pow (7, 12, 13, 15), Mod (10,
// 13), and the variadic Sum, Mean, Max, Min (8, 12, 13). Integers wrap; an integer division by zero
// is an Error.
#include <cmath>

#include "ops/detail/arguments.h"
#include "ops/detail/bind_binary.h"
#include "ops/detail/elementwise.h"

namespace tersor::ops {
namespace {

using namespace detail;

void check_same_type(const ComputeContext& c) {
  for (size_t i = 1; i < c.inputs.size(); ++i)
    if (c.in(i).dtype() != c.in(0).dtype())
      base::fail_input("E16", "the inputs have types {} and {}", tensor::name(c.in(0).dtype()),
                       tensor::name(c.in(i).dtype()));
}

template <auto kFunction>
void binary(ComputeContext& c) {
  check_same_type(c);
  dispatch_numeric(c.in(0).dtype(),
                   [&]<typename T>() { combine<T>(c, 0, c.in(0), c.in(1), kFunction); });
}

// Integers are combined as unsigned 64-bit numbers, so that they wrap.
template <typename T>
using wrap_t = std::conditional_t<std::is_integral_v<T>, uint64_t, T>;

constexpr auto kPlus = [](auto a, auto b) {
  using T = decltype(a);
  return static_cast<T>(static_cast<wrap_t<T>>(a) + static_cast<wrap_t<T>>(b));
};
constexpr auto kMinus = [](auto a, auto b) {
  using T = decltype(a);
  return static_cast<T>(static_cast<wrap_t<T>>(a) - static_cast<wrap_t<T>>(b));
};
constexpr auto kTimes = [](auto a, auto b) {
  using T = decltype(a);
  return static_cast<T>(static_cast<wrap_t<T>>(a) * static_cast<wrap_t<T>>(b));
};
constexpr auto kOver = [](auto a, auto b) {
  using T = decltype(a);
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) base::fail_input("E22", "an integer is divided by zero");
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return static_cast<T>(0 - static_cast<uint64_t>(a));
  }
  return static_cast<T>(a / b);
};
// NaN wins.
constexpr auto kLarger = [](auto a, auto b) { return a > b || a != a ? a : b; };
constexpr auto kSmaller = [](auto a, auto b) { return a < b || a != a ? a : b; };

// The remainder with the sign of the divisor (fmod = 0) or of the dividend (fmod = 1).
template <typename T>
T remainder(T a, T b, bool fmod) {
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) base::fail_input("E22", "an integer is divided by zero");
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return 0;
    const T r = static_cast<T>(a % b);
    if constexpr (std::is_signed_v<T>)
      if (!fmod && r != 0 && (r < 0) != (b < 0)) return static_cast<T>(r + b);
    return r;
  } else {
    const T r = std::fmod(a, b);
    if (fmod) return r;
    // A zero takes the divisor's sign too, as in numpy.
    if (r == 0) return std::copysign(r, b);
    return (r < 0) != (b < 0) ? r + b : r;
  }
}

void mod(ComputeContext& c) {
  check_same_type(c);
  const bool fmod = c.node.attr_int("fmod", 0) != 0;
  dispatch_numeric(c.in(0).dtype(), [&]<typename T>() {
    combine<T>(c, 0, c.in(0), c.in(1), [=](auto a, auto b) { return remainder(a, b, fmod); });
  });
}

template <typename T>
T integer_power(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if constexpr (std::is_signed_v<T>)
      if (base == -1) return static_cast<T>(exponent % 2 == 0 ? 1 : -1);
    return 0;
  }
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= square;
    square *= square;
  }
  return static_cast<T>(result);
}

// Squares are the common case (variances), and exact to the last bit.
constexpr auto kPower = [](auto a, auto b) { return b == 2 ? a * a : std::pow(a, b); };

void pow(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const Dims dims = broadcast_dims(x.dims(), c.in(1).dims());
  dispatch_numeric(x.dtype(), [&]<typename T>() {
    using A = arithmetic_t<T>;
    Tensor& y = c.out(0, x.dtype(), dims);
    T* out = y.mutable_data<T>().data();
    if constexpr (std::is_integral_v<T>) {
      if (tensor::is_integer(c.in(1).dtype())) {
        const Tensor e = tensor::cast(c.in(1), DType::kInt64);
        map_binary(x.data<T>().data(), x.dims(), e.data<int64_t>().data(), e.dims(), out, dims,
                   [](T a, int64_t b) { return integer_power(a, b); });
      } else {
        const Tensor e = tensor::cast(c.in(1), DType::kFloat64);
        const Tensor b = tensor::cast(x, DType::kFloat64);
        Tensor r = Tensor::empty(DType::kFloat64, dims);
        map_binary(b.data<double>().data(), b.dims(), e.data<double>().data(), e.dims(),
                   r.mutable_data<double>().data(), dims,
                   [](double a, double p) { return std::pow(a, p); });
        y = tensor::cast(r, x.dtype());
      }
    } else {
      const Tensor e = tensor::cast(c.in(1), tensor::dtype_of<A>());
      map_binary(x.data<T>().data(), x.dims(), e.data<A>().data(), e.dims(), out, dims,
                 [](T a, A p) { return store<T>(kPower(load(a), p)); });
    }
  });
}

template <auto kFunction>
void variadic(ComputeContext& c) {
  check_same_type(c);
  if (c.inputs.size() == 1) {
    c.outputs[0] = c.in(0);
    return;
  }
  dispatch_numeric(c.in(0).dtype(), [&]<typename T>() {
    Tensor sum = c.in(0);
    for (size_t i = 1; i < c.inputs.size(); ++i) sum = combine<T>(c, 0, sum, c.in(i), kFunction);
  });
}

void mean(ComputeContext& c) {
  check_same_type(c);
  const auto n = static_cast<double>(c.inputs.size());
  dispatch_float(c.in(0).dtype(), [&]<typename T>() {
    Tensor sum = c.in(0);
    for (size_t i = 1; i < c.inputs.size(); ++i) sum = combine<T>(c, 0, sum, c.in(i), kPlus);
    Tensor& y = c.out(0, sum.dtype(), sum.dims());
    const auto in = sum.data<T>();
    const auto out = y.mutable_data<T>();
    for (size_t i = 0; i < in.size(); ++i)
      out[i] = store<T>(load(in[i]) / static_cast<arithmetic_t<T>>(n));
  });
}

constexpr auto kHalfSum = [](float a, float b) { return (a + b) / 2.0f; };

template <ir::Dim (*kElement)(const ir::Dim&, const ir::Dim&)>
void infer_arithmetic(InferContext& c) {
  infer_broadcast(c);
  if (c.input_count() == 2 && tensor::is_integer(c.elem(0))) combine_contents(c, kElement);
}

ir::Dim element_max(const ir::Dim& a, const ir::Dim& b) {
  const auto x = number(a), y = number(b);
  if (x && y) return element(std::max(*x, *y));
  if (x && *x <= 0) return b;
  if (y && *y <= 0) return a;
  return a == b ? a : ir::Dim();
}
ir::Dim element_min(const ir::Dim& a, const ir::Dim& b) {
  const auto x = number(a), y = number(b);
  if (x && y) return element(std::min(*x, *y));
  return a == b ? a : ir::Dim();
}
ir::Dim element_mod(const ir::Dim& a, const ir::Dim& b) {
  const auto x = number(a), y = number(b);
  return x && y && *x >= 0 && *y > 0 ? element(*x % *y) : ir::Dim();
}

template <auto kFunction, Binary kKernel>
constexpr Operator two(const char* name, void (*infer)(InferContext&),
                       void (*reference)(ComputeContext&)) {
  return {.name = name,
          .since = 7,
          .infer = infer,
          .reference = reference,
          .traits = {.quant = QuantClass::kCombines,
                     .data_inputs = 3,
                     .layout = LayoutClass::kAny,
                     .fuses_clip = true},
          .bind = bind_binary<kFunction, static_cast<int>(kKernel)>,
          .max_inputs = 2};
}
template <auto kFunction, int kKernel>
constexpr Operator several(const char* name, void (*infer)(InferContext&),
                           void (*reference)(ComputeContext&)) {
  return {.name = name,
          .since = 6,
          .infer = infer,
          .reference = reference,
          .traits = {.quant = QuantClass::kCombines, .variadic = true, .layout = LayoutClass::kAny},
          .bind = bind_binary<kFunction, kKernel>};
}

}  // namespace

extern const Operator kAdd =
    two<kPlus, Binary::add>("Add", infer_arithmetic<element_add>, binary<kPlus>);
extern const Operator kSub =
    two<kMinus, Binary::sub>("Sub", infer_arithmetic<element_sub>, binary<kMinus>);
extern const Operator kMul =
    two<kTimes, Binary::mul>("Mul", infer_arithmetic<element_mul>, binary<kTimes>);
extern const Operator kDiv =
    two<kOver, Binary::div>("Div", infer_arithmetic<element_div>, binary<kOver>);
extern const Operator kPow = two<kPower, Binary::pow>("Pow", infer_broadcast, pow);
extern const Operator kMod{.name = "Mod",
                           .since = 10,
                           .infer = infer_arithmetic<element_mod>,
                           .reference = mod,
                           .traits = {.data_inputs = 3, .layout = LayoutClass::kAny}};
extern const Operator kMax = several<kLarger, static_cast<int>(Binary::max)>(
    "Max", infer_arithmetic<element_max>, variadic<kLarger>);
extern const Operator kMin = several<kSmaller, static_cast<int>(Binary::min)>(
    "Min", infer_arithmetic<element_min>, variadic<kSmaller>);
extern const Operator kSum =
    several<kPlus, static_cast<int>(Binary::add)>("Sum", infer_broadcast, variadic<kPlus>);
extern const Operator kMean = several<kHalfSum, -1>("Mean", infer_broadcast, mean);

}  // namespace tersor::ops
