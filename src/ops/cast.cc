// Cast and CastLike: between numeric types, bool and strings; `saturate` concerns 8-bit floats.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "ops/detail/arguments.h"

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

Tensor converted(const Tensor& x, DType to, bool saturate) {
  if (x.dtype() == to) return x;
  if (x.dtype() == DType::kString) return from_strings(x, to);
  if (to == DType::kString) {
    std::vector<std::string> out;
    for (int64_t i = 0; i < x.count(); ++i) out.push_back(text(x, i));
    return Tensor::of_strings(x.dims(), std::move(out));
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

}  // namespace

extern const Operator kCast{.name = "Cast",
                            .since = 6,
                            .infer = cast_infer,
                            .reference = cast,
                            .traits = {.layout = LayoutClass::kAny}};
extern const Operator kCastLike{.name = "CastLike",
                                .since = 15,
                                .infer = cast_like_infer,
                                .reference = cast_like,
                                .traits = {.layout = LayoutClass::kAny}};

}  // namespace tersor::ops
