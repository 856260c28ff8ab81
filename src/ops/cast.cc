// Cast and CastLike: between numeric types, bool and strings; `saturate` concerns 8-bit floats.
#include <charconv>
#include <cmath>
#include <limits>

#include "kernels/halves/halves.h"
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/dispatch.h"

namespace tersor::ops {
namespace {

using namespace detail;

// Strings hold numbers as text: "3.14", "1e-5", "NaN", "INF".
Tensor from_strings(const Tensor& x, DType to) {
  Tensor wide = Tensor::empty(tensor::is_float(to) ? DType::kFloat64 : DType::kInt64, x.dims());
  for (size_t i = 0; i < x.strings().size(); ++i) {
    const std::string& s = x.strings()[i];
    const char* first = s.c_str() + (s.starts_with('+') ? 1 : 0);
    const char* last = s.c_str() + s.size();
    bool good;
    if (tensor::is_float(to)) {
      double& v = wide.mutable_data<double>()[i];
      const auto [end, code] = std::from_chars(first, last, v);
      good = code == std::errc() && end == last;
    } else {
      int64_t& v = wide.mutable_data<int64_t>()[i];
      const auto [end, code] = std::from_chars(first, last, v);
      good = code == std::errc() && end == last;
    }
    if (!good) base::fail_input("E22", "{} is not a number", base::quoted(s));
  }
  return tensor::cast(wide, to);
}

std::string text(const Tensor& x, int64_t i) {
  if (!tensor::is_float(x.dtype())) {
    if (x.dtype() == DType::kUint64)
      return std::to_string(static_cast<uint64_t>(tensor::as_int64(x, i)));
    return std::to_string(tensor::as_int64(x, i));
  }
  const double v = tensor::as_double(x, i);
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "INF" : "-INF";
  char buffer[32];
  const auto result = x.dtype() == DType::kFloat64
                          ? std::to_chars(buffer, buffer + sizeof buffer, v)
                          : std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(v));
  return {buffer, result.ptr};
}

// ---- the common types, as plain loops -----------------------------------------------------------

// As tensor::cast: floats truncate toward zero and clamp, NaN gives 0; integers wrap.
template <typename From, typename To>
To cast_one(From from) {
  const auto v = load(from);
  using A = arithmetic_t<To>;
  if constexpr (std::is_floating_point_v<A>) {
    return store<To>(static_cast<A>(v));
  } else if constexpr (std::is_floating_point_v<decltype(v)>) {
    // Both bounds as powers of two, which every float type holds.
    constexpr int kBits = std::numeric_limits<A>::digits;
    const auto top = static_cast<decltype(v)>(static_cast<double>(uint64_t{1} << (kBits - 1)) * 2);
    if (v != v) return 0;
    if (v >= top) return std::numeric_limits<A>::max();
    if (v < static_cast<decltype(v)>(std::is_signed_v<A> ? -top : 0))
      return std::numeric_limits<A>::lowest();
    return static_cast<A>(v);
  } else {
    return static_cast<A>(v);
  }
}

using Loop = void (*)(const std::byte* from, std::byte* to, int64_t n);

template <typename From, typename To>
void cast_loop(const std::byte* from, std::byte* to, int64_t n) {
  const auto* x = reinterpret_cast<const From*>(from);
  auto* y = reinterpret_cast<To*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = cast_one<From, To>(x[i]);
}
template <typename From>
void to_bool(const std::byte* from, std::byte* to, int64_t n) {
  const auto* x = reinterpret_cast<const From*>(from);
  auto* y = reinterpret_cast<uint8_t*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = load(x[i]) != 0;
}
template <typename To>
void from_bool(const std::byte* from, std::byte* to, int64_t n) {
  const auto* x = reinterpret_cast<const uint8_t*>(from);
  auto* y = reinterpret_cast<To*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = cast_one<uint8_t, To>(x[i] != 0);
}

bool plain(DType type) {
  return (tensor::is_integer(type) && tensor::bits(type) >= 8) || type == DType::kFloat32 ||
         type == DType::kFloat64 || type == DType::kFloat16 || type == DType::kBfloat16;
}

// nullptr for types that need tensor::cast.
Loop loop_for(DType from, DType to) {
  if (from == DType::kBool && plain(to))
    return dispatch_numeric(to, [&]<typename T>() -> Loop { return from_bool<T>; });
  if (!plain(from) || !(plain(to) || to == DType::kBool)) return nullptr;
  return dispatch_numeric(from, [&]<typename F>() -> Loop {
    if (to == DType::kBool) return to_bool<F>;
    return dispatch_numeric(to, [&]<typename T>() -> Loop { return cast_loop<F, T>; });
  });
}

Tensor converted(const Tensor& x, DType to, bool saturate) {
  if (x.dtype() == to) return x;
  if (x.dtype() == DType::kString) return from_strings(x, to);
  if (to == DType::kString) {
    std::vector<std::string> out;
    for (int64_t i = 0; i < x.count(); ++i) out.push_back(text(x, i));
    return Tensor::of_strings(x.dims(), std::move(out));
  }
  if (const Loop loop = loop_for(x.dtype(), to)) {
    Tensor y = Tensor::empty(to, x.dims());
    loop(x.raw(), y.raw_mutable(), x.count());
    return y;
  }
  // 4- and 2-bit integers keep the low bits of the truncated value, as ONNX's own cases do.
  if (tensor::is_integer(to) && tensor::bits(to) < 8)
    return tensor::cast(tensor::cast(x, DType::kInt64), to);
  return tensor::cast(x, to, saturate);
}

DType target(const ir::Node& node) {
  const auto code = node.attr_int("to", 0);
  const auto to = static_cast<DType>(code);
  if (code < 1 || code > 64 || (tensor::bits(to) == 0 && to != DType::kString))
    base::fail_input("E22", "a Cast to type {}", code);
  return to;
}

void infer_to(InferContext& c, DType to) {
  c.out(0, to, c.shape(0));
  if ((tensor::is_integer(to) && tensor::bits(to) >= 32 && tensor::is_integer(c.elem(0))) ||
      c.elem(0) == DType::kBool)
    if (tensor::is_integer(to))
      if (auto v = elements(c, 0)) c.set_contents(0, *std::move(v));
}

void cast_infer(InferContext& c) { infer_to(c, target(c.node)); }
void cast(ComputeContext& c) {
  c.outputs[0] = converted(c.in(0), target(c.node), c.node.attr_int("saturate", 1) != 0);
}

void cast_like_infer(InferContext& c) { infer_to(c, c.elem(1)); }
void cast_like(ComputeContext& c) {
  c.outputs[0] = converted(c.in(0), c.in(1).dtype(), c.node.attr_int("saturate", 1) != 0);
}

// Between float32 and the 16-bit floats, by kernels.
std::optional<runtime::Bound> bind_halves(DType from, DType to, base::IsaSet isa) {
  const auto& table = kernels::halves::table(isa);
  const bool half = from == DType::kFloat16 || to == DType::kFloat16;
  const auto bound = [&](auto convert, auto from_element, auto to_element) {
    using From = decltype(from_element);
    using To = decltype(to_element);
    return runtime::Bound{[convert, to](runtime::StepContext& step) {
                            const Tensor& x = step.in(0);
                            Tensor& y = step.make(0, to, x.dims());
                            const auto* in = reinterpret_cast<const From*>(x.raw());
                            auto* out = reinterpret_cast<To*>(y.raw_mutable());
                            step.pool->parallel_for(x.count(), 32768,
                                                    [&](int64_t begin, int64_t end, int) {
                                                      convert(in + begin, out + begin, end - begin);
                                                    });
                            return runtime::Status{};
                          },
                          fmt::format("cast_{}", base::name(table.isa))};
  };
  const auto narrow = [](DType t) { return t == DType::kFloat16 || t == DType::kBfloat16; };
  if (from == DType::kFloat32 && narrow(to))
    return bound(half ? table.to_half : table.to_bfloat16, float{}, uint16_t{});
  if (narrow(from) && to == DType::kFloat32)
    return bound(half ? table.from_half : table.from_bfloat16, uint16_t{}, float{});
  return {};
}

std::optional<runtime::Bound> bind(const ir::Node&, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has_output(0)) return {};
  const DType from = c.in(0).dtype, to = c.outputs[0].dtype;
  if (auto step = bind_halves(from, to, c.isa)) return step;
  if (from == to)
    return runtime::Bound{[](runtime::StepContext& step) {
                            step.outputs[0] = step.in(0);
                            return runtime::Status{};
                          },
                          "view"};
  const Loop loop = loop_for(from, to);
  if (!loop) return {};
  const size_t in = static_cast<size_t>(tensor::bits(from)) / 8;
  const size_t out = static_cast<size_t>(tensor::bits(to)) / 8;
  return runtime::Bound{
      [=](runtime::StepContext& step) {
        const Tensor& x = step.in(0);
        Tensor& y = step.make(0, to, x.dims());
        step.pool->parallel_for(x.count(), 16384, [&](int64_t begin, int64_t end, int) {
          loop(x.raw() + static_cast<size_t>(begin) * in,
               y.raw_mutable() + static_cast<size_t>(begin) * out, end - begin);
        });
        return runtime::Status{};
      },
      "cast"};
}

}  // namespace

extern const Operator kCast{.name = "Cast",
                            .since = 6,
                            .infer = cast_infer,
                            .reference = cast,
                            .traits = {.layout = LayoutClass::kAny},
                            .bind = bind};
extern const Operator kCastLike{.name = "CastLike",
                                .since = 15,
                                .infer = cast_like_infer,
                                .reference = cast_like,
                                .traits = {.layout = LayoutClass::kAny},
                                .bind = bind};

}  // namespace tersor::ops
