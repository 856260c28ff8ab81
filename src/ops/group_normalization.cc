// GroupNormalization (18: scale and bias per group, 21: per channel) and InstanceNormalization (1,
// 6, 22: every channel is a group): y = (x - mean) / sqrt(variance + epsilon) * scale + bias over
// groups of channels (axis 1).
#include <algorithm>
#include <cmath>

#include "kernels/layernorm/layernorm.h"
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/moments.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

// One scale and bias per `per` consecutive channels of the input [n, channels, ...]; mean and
// variance over groups of channels.
void normalize_groups(ComputeContext& c, int64_t groups, int64_t parameters) {
  const Tensor& input = c.in(0);
  if (input.rank() < 2 || groups < 1 || input.dim(1) % groups != 0 || parameters < 1 ||
      input.dim(1) % parameters != 0 || c.in(1).count() != parameters ||
      c.in(2).count() != parameters)
    base::fail_input("E17", "{} groups of an input of shape {}, scale {}, bias {}", groups,
                     tensor::to_string(input.dims()), tensor::to_string(c.in(1).dims()),
                     tensor::to_string(c.in(2).dims()));
  const double epsilon = static_cast<double>(c.node.attr_float("epsilon", 1e-5F));
  const int64_t channels = input.dim(1),
                size = base::element_count(std::span(input.dims()).subspan(2));
  const int64_t length = channels / groups * size;
  dispatch_wide(input.dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(input);
    WideOutput<T> y(c, 0, input.dtype(), input.dims());
    const T* in = x.data<T>().data();
    T* out = y.begin();
    for (int64_t g = 0; g < input.dim(0) * groups && length > 0; ++g) {
      const Moments m = moments(in + g * length, length);
      const double factor = 1 / std::sqrt(m.variance + epsilon);
      for (int64_t i = 0; i < length; ++i) {
        const int64_t e = g * length + i;
        const int64_t p = e / size % channels / (channels / parameters);
        out[e] = static_cast<T>((static_cast<double>(in[e]) - m.mean) * factor *
                                    tensor::as_double(c.in(1), p) +
                                tensor::as_double(c.in(2), p));
      }
    }
    y.finish();
  });
}

void reference_group(ComputeContext& c) {
  const int64_t groups = c.node.attr_int("num_groups", 0);
  normalize_groups(c, groups, c.version < 21 ? groups : c.in(0).rank() > 1 ? c.in(0).dim(1) : 0);
}

void reference_instance(ComputeContext& c) {
  const int64_t channels = c.in(0).rank() > 1 ? c.in(0).dim(1) : 0;
  normalize_groups(c, channels, channels);
}

// groups 0: one per channel.
std::optional<runtime::Bound> bind_groups(const ir::Node& node, const runtime::BindContext& c,
                                          int64_t groups, bool per_group) {
  for (size_t i = 0; i < 3; ++i)
    if (!c.has(i) || c.in(i).dtype != DType::kFloat32) return {};
  if (!c.has_output(0)) return {};
  const auto& table = kernels::layernorm::table(c.isa);
  const float epsilon = node.attr_float("epsilon", 1e-5F);
  return runtime::Bound{
      [&table, epsilon, groups, per_group](runtime::StepContext& step) {
        return guarded([&] {
          const Tensor &x = step.in(0), &scale = step.in(1), &bias = step.in(2);
          const int64_t channels = x.rank() > 1 ? x.dim(1) : 0;
          const int64_t count = groups == 0 ? channels : groups;
          const int64_t parameters = per_group ? count : channels;
          if (channels < 1 || count < 1 || channels % count != 0 || scale.count() != parameters ||
              bias.count() != parameters)
            base::fail_input("E17", "{} groups of an input of shape {}, scale {}, bias {}", count,
                             tensor::to_string(x.dims()), tensor::to_string(scale.dims()),
                             tensor::to_string(bias.dims()));
          const int64_t size = base::element_count(std::span(x.dims()).subspan(2));
          const int64_t members = channels / count, length = members * size;
          const float* in = x.data<float>().data();
          float* out = step.make(0, DType::kFloat32, x.dims()).mutable_data<float>().data();
          if (length == 0) return;
          step.pool->parallel_for(
              x.dim(0) * count, std::max<int64_t>(1, 8192 / length),
              [&](int64_t begin, int64_t end, int) {
                for (int64_t g = begin; g < end; ++g) {
                  kernels::layernorm::Call call;
                  call.x = in + g * length;
                  call.y = out + g * length;
                  call.epsilon = epsilon;
                  table.layernorm(call, 1, length);
                  for (int64_t k = 0; k < members; ++k) {
                    const int64_t channel = g % count * members + k;
                    const auto p = static_cast<size_t>(per_group ? channel / members : channel);
                    const float factor = scale.data<float>()[p], offset = bias.data<float>()[p];
                    float* row = out + g * length + k * size;
                    for (int64_t i = 0; i < size; ++i) row[i] = row[i] * factor + offset;
                  }
                }
              });
        });
      },
      "groupnorm_" + std::string(base::name(table.isa))};
}

std::optional<runtime::Bound> bind_group(const ir::Node& node, const runtime::BindContext& c) {
  const int64_t groups = node.attr_int("num_groups", 0);
  if (groups < 1) return {};
  return bind_groups(node, c, groups, c.version < 21);
}

std::optional<runtime::Bound> bind_instance(const ir::Node& node, const runtime::BindContext& c) {
  return bind_groups(node, c, 0, false);
}

}  // namespace

extern const Operator kGroupNormalization{.name = "GroupNormalization",
                                          .since = 18,
                                          .infer = infer_same,
                                          .reference = reference_group,
                                          .bind = bind_group};
extern const Operator kInstanceNormalization{.name = "InstanceNormalization",
                                             .infer = infer_same,
                                             .reference = reference_instance,
                                             .bind = bind_instance};

}  // namespace tersor::ops
