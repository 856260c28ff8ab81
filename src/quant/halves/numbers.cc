#include "quant/halves/numbers.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace tersor::quant {
namespace {

double largest(DType half) { return half == DType::kFloat16 ? 65504.0 : 3.3895313892515355e38; }
double smallest_normal(DType half) {
  return half == DType::kFloat16 ? 6.103515625e-05 : 1.1754943508222875e-38;
}
constexpr double kAsGoodAsInfinite = 1e30;

double magnitude(float v) { return std::fabs(static_cast<double>(v)); }
bool beyond(float v, DType half) {
  return std::isfinite(v) && magnitude(v) > largest(half) && magnitude(v) < kAsGoodAsInfinite;
}

}  // namespace

Tensor narrowed(const Tensor& t, DType half, bool naive) {
  const bool any = !naive && std::ranges::any_of(t.data<float>(), [](float v) {
    return std::isfinite(v) && magnitude(v) >= kAsGoodAsInfinite;
  });
  if (!any) return tensor::cast(t, half);
  Tensor bounded = Tensor::empty(DType::kFloat32, t.dims());
  const auto most = static_cast<float>(largest(half));
  std::ranges::transform(t.data<float>(), bounded.mutable_data<float>().begin(), [&](float v) {
    return std::isfinite(v) ? std::clamp(v, -most, most) : v;
  });
  return tensor::cast(bounded, half);
}

std::string Numbers::against(const Tensor& t, const std::string& name) const {
  constexpr int64_t kSingleNumbers = 16;
  for (float v : t.data<float>())
    if (beyond(v, half_))
      return fmt::format("constant {} holds {:.4g}; {} ends at {:.6g}", base::quoted(name), v,
                         tensor::name(half_), largest(half_));
  if (t.count() > kSingleNumbers) return {};
  const Tensor back = tensor::cast(tensor::cast(t, half_), DType::kFloat32);
  for (int64_t i = 0; i < t.count(); ++i)
    if (tensor::as_double(t, i) != 0 && tensor::as_double(back, i) == 0)
      return fmt::format("constant {} holds {:.4g}, which {} turns into 0", base::quoted(name),
                         tensor::as_double(t, i), tensor::name(half_));
  return {};
}

const stats::MinMax* Numbers::range(const std::string& value) const {
  if (!ranges_) return nullptr;
  const auto it = ranges_->tensors.find(value);
  return it == ranges_->tensors.end() || it->second.range.empty() ? nullptr : &it->second.range;
}

std::string Numbers::against(const std::string& value) const {
  constexpr double kHeadroom = 0.9;  // data are samples
  const stats::MinMax* r = range(value);
  if (!r) return {};
  const double most = std::max(magnitude(r->min), magnitude(r->max));
  if (most > kHeadroom * largest(half_))
    return fmt::format("value {} reaches {:.4g}; {} ends at {:.6g}", base::quoted(value), most,
                       tensor::name(half_), largest(half_));
  if (most < smallest_normal(half_) && most > 0)
    return fmt::format("value {} stays below {:.3g}, where {} loses its digits",
                       base::quoted(value), most, tensor::name(half_));
  return {};
}

std::string Numbers::against(const std::string& value, const ir::Node& node, size_t input) const {
  if (std::string why = against(value); !why.empty()) return why;
  const bool sensitive = node.op == "Sqrt" || node.op == "Log" || node.op == "Reciprocal" ||
                         (node.op == "Pow" && input == 0) || (node.op == "Div" && input == 1);
  const stats::MinMax* r = sensitive ? range(value) : nullptr;
  if (!r || r->min <= 0 || static_cast<double>(r->min) >= smallest_normal(half_)) return {};
  return fmt::format("value {} goes down to {:.3g}, where {} loses its digits", base::quoted(value),
                     r->min, tensor::name(half_));
}

}  // namespace tersor::quant
