// BatchNormalization (7, 9, 14, 15): y = (x - mean) / sqrt(var + epsilon) * scale + bias per
// channel (axis 1). With training_mode (14) mean and variance are the batch's, and the running ones
// are outputs.
#include <array>
#include <cmath>

#include "ops/detail/bind.h"
#include "ops/detail/product.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  c.out(0, c.elem(0), c.shape(0));
  for (size_t i = 1; i < c.output_count() && i < 3; ++i)
    c.out(i, c.elem(3), c.shape(i == 1 ? 3 : 4));
}

template <typename T>
void run(ComputeContext& c) {
  const Tensor x = widened<T>(c.in(0));
  if (x.rank() < 1) base::fail_input("E17", "BatchNormalization of a scalar");
  const AxisSplit s = x.rank() == 1 ? AxisSplit{x.dim(0), 1, 1} : split_at(x.dims(), 1);
  std::array<std::vector<double>, 4> parameters;
  for (size_t i = 1; i <= 4; ++i) {
    const Tensor& t = c.in(i);
    if (t.count() != s.length)
      base::fail_input("E17", "a parameter of shape {} for {} channels",
                       tensor::to_string(t.dims()), s.length);
    for (int64_t k = 0; k < s.length; ++k) parameters[i - 1].push_back(tensor::as_double(t, k));
  }
  auto& [scale, bias, mean, variance] = parameters;
  const T* in = x.data<T>().data();
  const auto at = [&](int64_t o, int64_t k, int64_t i) { return (o * s.length + k) * s.inner + i; };
  if (c.node.attr_int("training_mode", 0) != 0) {
    const double momentum = static_cast<double>(c.node.attr_float("momentum", 0.9F));
    std::vector<double> running_mean, running_variance;
    for (int64_t k = 0; k < s.length; ++k) {
      const auto ch = static_cast<size_t>(k);
      const auto n = static_cast<double>(s.outer * s.inner);
      double sum = 0, squares = 0;
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < s.inner; ++i) sum += static_cast<double>(in[at(o, k, i)]);
      const double m = sum / n;
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < s.inner; ++i) {
          const double d = static_cast<double>(in[at(o, k, i)]) - m;
          squares += d * d;
        }
      running_mean.push_back(mean[ch] * momentum + m * (1 - momentum));
      running_variance.push_back(variance[ch] * momentum + squares / n * (1 - momentum));
      mean[ch] = m;
      variance[ch] = squares / n;
    }
    for (size_t i = 1; i <= 2; ++i)
      if (c.wants(i)) {
        WideOutput<double> y(c, i, c.in(3).dtype(), c.in(3).dims());
        std::ranges::copy(i == 1 ? running_mean : running_variance, y.begin());
        y.finish();
      }
  } else if (c.wants(1)) {
    base::fail_unsupported("BatchNormalization with more than one output is training");
  }
  const double epsilon = static_cast<double>(c.node.attr_float("epsilon", 1e-5F));
  WideOutput<T> y(c, 0, c.in(0).dtype(), x.dims());
  T* out = y.begin();
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t k = 0; k < s.length; ++k) {
      const auto ch = static_cast<size_t>(k);
      const double factor = scale[ch] / std::sqrt(variance[ch] + epsilon);
      for (int64_t i = 0; i < s.inner; ++i)
        out[at(o, k, i)] =
            static_cast<T>((static_cast<double>(in[at(o, k, i)]) - mean[ch]) * factor + bias[ch]);
    }
  y.finish();
}

void reference(ComputeContext& c) {
  if (c.node.attr_int("spatial", 1) == 0)
    base::fail_unsupported("BatchNormalization with attribute spatial of 0");
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() { run<T>(c); });
}

// y = x * factor + offset per channel, clipped.
struct AffineStep {
  bool last;  // channels-last
  std::vector<float> factor, offset;
  Bounds bounds;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(0);
    const auto channels = static_cast<int64_t>(factor.size());
    const AxisSplit s = split_at(x.dims(), last ? x.rank() - 1 : 1);
    if (s.length != channels)
      base::fail_input("E17", "{} channels where {} are needed", s.length, channels);
    const float* in = x.data<float>().data();
    float* out = c.make(0, DType::kFloat32, x.dims()).mutable_data<float>().data();
    const auto clip = [low = bounds.min, high = bounds.max](float v) {
      return v < low ? low : v > high ? high : v;
    };
    if (s.inner == 1) {
      c.pool->parallel_for(s.outer, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, channels)),
                           [&](int64_t begin, int64_t end, int) {
                             for (int64_t r = begin; r < end; ++r)
                               for (int64_t k = 0; k < channels; ++k) {
                                 const auto ch = static_cast<size_t>(k);
                                 out[r * channels + k] =
                                     clip(in[r * channels + k] * factor[ch] + offset[ch]);
                               }
                           });
      return;
    }
    c.pool->parallel_for(s.outer * channels,
                         std::max<int64_t>(1, 16384 / std::max<int64_t>(1, s.inner)),
                         [&](int64_t begin, int64_t end, int) {
                           for (int64_t r = begin; r < end; ++r) {
                             const float f = factor[static_cast<size_t>(r % channels)];
                             const float o = offset[static_cast<size_t>(r % channels)];
                             for (int64_t i = r * s.inner; i < (r + 1) * s.inner; ++i)
                               out[i] = clip(in[i] * f + o);
                           }
                         });
  }
};

std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (node.attr_int("training_mode", 0) != 0 || node.attr_int("spatial", 1) == 0) return {};
  if (c.inputs.size() != 5 || !c.has(0) || c.in(0).dtype != DType::kFloat32 || c.in(0).rank < 2)
    return {};
  for (size_t i = 1; i < c.outputs.size(); ++i)
    if (c.has_output(i)) return {};
  std::array<const Tensor*, 4> p{};
  for (size_t i = 1; i <= 4; ++i) {
    if (!c.has(i) || !c.in(i).constant) return {};
    p[i - 1] = c.in(i).constant;
    if (p[i - 1]->count() != p[0]->count()) return {};
  }
  AffineStep step{channels_last(c.in(0)), {}, {}, bounds_of(node)};
  const double epsilon = static_cast<double>(node.attr_float("epsilon", 1e-5F));
  for (int64_t k = 0; k < p[0]->count(); ++k) {
    const double factor =
        tensor::as_double(*p[0], k) / std::sqrt(tensor::as_double(*p[3], k) + epsilon);
    step.factor.push_back(static_cast<float>(factor));
    step.offset.push_back(
        static_cast<float>(tensor::as_double(*p[1], k) - tensor::as_double(*p[2], k) * factor));
  }
  return runtime::Bound{
      [step = std::make_shared<const AffineStep>(std::move(step))](runtime::StepContext& context) {
        return guarded([&] { (*step)(context); });
      },
      "affine_f32"};
}

}  // namespace

extern const Operator kBatchNormalization{
    .name = "BatchNormalization",
    .since = 7,
    .infer = infer,
    .reference = reference,
    .traits = {.layout = LayoutClass::kAny, .fuses_clip = true},
    .bind = bind};

}  // namespace tersor::ops
