// LayerNormalization (17): y = (x - mean) / sqrt(variance + epsilon) * scale + bias over all axes
// from `axis`, and RMSNormalization (23): y = x / sqrt(mean of squares + epsilon) * scale.
#include <algorithm>
#include <cmath>

#include "kernels/layernorm/layernorm.h"
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/moments.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

DType stash_type(const ir::Node& node) {
  return static_cast<DType>(node.attr_int("stash_type", 1));
}

void infer_layer(InferContext& c) {
  c.out(0, c.elem(0), c.shape(0));
  if (c.output_count() < 2) return;
  auto reduced = c.shape(0);
  if (reduced)
    for (auto i = static_cast<size_t>(normalize_axis(c.node.attr_int("axis", -1), c.rank(0)));
         i < reduced->size(); ++i)
      (*reduced)[i] = ir::Dim(1);
  for (size_t i = 1; i < c.output_count(); ++i) c.out(i, stash_type(c.node), reduced);
}

// Rows of all axes from `axis`; scale (and bias) broadcast to the input.
template <bool kCentred>
void reference_layer(ComputeContext& c) {
  const Dims dims = c.in(0).dims();
  const int axis = normalize_axis(c.node.attr_int("axis", -1), c.in(0).rank());
  const auto a = static_cast<size_t>(axis);
  const int64_t rows = base::element_count(std::span(dims).first(a));
  const int64_t length = base::element_count(std::span(dims).subspan(a));
  const double epsilon = static_cast<double>(c.node.attr_float("epsilon", 1e-5F));
  for (size_t i = 1; i <= (kCentred ? 2 : 1); ++i)
    if (c.has(i) && broadcast_dims(c.in(i).dims(), dims) != dims)
      base::fail_input("E17", "a parameter of shape {} for an input of {}",
                       tensor::to_string(c.in(i).dims()), tensor::to_string(dims));
  std::vector<double> means, factors;
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(c.in(0)), scale = widened<T>(c.in(1));
    Tensor bias;
    if (kCentred && c.has(2)) bias = widened<T>(c.in(2));
    const T* in = x.data<T>().data();
    for (int64_t r = 0; r < rows; ++r) {
      const Moments m = moments(in + r * length, length);
      means.push_back(kCentred ? m.mean : 0.0);
      const double power = kCentred ? m.variance : m.variance + m.mean * m.mean;
      factors.push_back(1 / std::sqrt(power + epsilon));
    }
    WideOutput<T> y(c, 0, c.in(0).dtype(), dims);
    T* out = y.begin();
    int64_t e = 0;
    walk<2>(dims,
            {broadcast_strides(scale.dims(), dims),
             bias.defined() ? broadcast_strides(bias.dims(), dims) : Dims(dims.size(), 0)},
            [&](const std::array<int64_t, 2>& o) {
              const auto r = static_cast<size_t>(e / length);
              double v = (static_cast<double>(in[e]) - means[r]) * factors[r] *
                         static_cast<double>(scale.data<T>()[static_cast<size_t>(o[0])]);
              if (bias.defined())
                v += static_cast<double>(bias.data<T>()[static_cast<size_t>(o[1])]);
              out[e++] = static_cast<T>(v);
            });
    y.finish();
  });
  Dims reduced = dims;
  std::fill(reduced.begin() + axis, reduced.end(), 1);
  for (size_t i = 1; i <= 2; ++i)
    if (kCentred && c.wants(i)) {
      WideOutput<double> y(c, i, stash_type(c.node), reduced);
      std::ranges::copy(i == 1 ? means : factors, y.begin());
      y.finish();
    }
}

// A parameter of the row's shape, or one that broadcasts to it, as n elements.
const float* row_parameter(runtime::StepContext& c, size_t input, std::span<const int64_t> row,
                           Tensor& memory) {
  if (!c.has(input)) return nullptr;
  const Tensor& t = c.in(input);
  if (broadcast_dims(t.dims(), row) != Dims(row.begin(), row.end()))
    base::fail_input("E17", "a parameter of shape {} for rows of {}", tensor::to_string(t.dims()),
                     tensor::to_string(row));
  if (t.count() == base::element_count(row)) return t.data<float>().data();
  memory = c.arena->make(DType::kFloat32, Dims(row.begin(), row.end()));
  float* to = memory.mutable_data<float>().data();
  walk<1>(row, {broadcast_strides(t.dims(), row)}, [&](const std::array<int64_t, 1>& o) {
    *to++ = t.data<float>()[static_cast<size_t>(o[0])];
  });
  return memory.data<float>().data();
}

template <bool kCentred>
std::optional<runtime::Bound> bind_layer(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has_output(0) || c.in(0).rank < 1) return {};
  const int axis = normalize_axis(node.attr_int("axis", -1), c.in(0).rank);
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (!c.has(i)) continue;
    // Parameters must be the same for all rows.
    if (c.in(i).dtype != DType::kFloat32 || c.in(i).rank < 0 ||
        (i > 0 && c.in(i).rank > c.in(0).rank - axis))
      return {};
  }
  for (const runtime::Wire& w : c.outputs)
    if (w.present && w.dtype != DType::kFloat32) return {};
  const auto& table = kernels::layernorm::table(c.isa);
  const float epsilon = node.attr_float("epsilon", 1e-5F);
  const bool wants_mean = kCentred && c.has_output(1), wants_inverse = kCentred && c.has_output(2);
  return runtime::Bound{
      [&table, axis, epsilon, wants_mean, wants_inverse](runtime::StepContext& step) {
        return guarded([&] {
          const Tensor& x = step.in(0);
          const auto a = static_cast<size_t>(axis);
          const auto row = std::span(x.dims()).subspan(a);
          const int64_t n = base::element_count(row);
          const int64_t rows = base::element_count(std::span(x.dims()).first(a));
          Tensor gamma_memory, beta_memory;
          kernels::layernorm::Call all;
          all.gamma = row_parameter(step, 1, row, gamma_memory);
          if (kCentred) all.beta = row_parameter(step, 2, row, beta_memory);
          all.epsilon = epsilon;
          all.x = x.data<float>().data();
          all.y = step.make(0, DType::kFloat32, x.dims()).mutable_data<float>().data();
          Dims reduced = x.dims();
          std::fill(reduced.begin() + axis, reduced.end(), 1);
          if (wants_mean)
            all.mean = step.make(1, DType::kFloat32, reduced).mutable_data<float>().data();
          if (wants_inverse)
            all.inverse = step.make(2, DType::kFloat32, reduced).mutable_data<float>().data();
          if (n == 0) return;
          step.pool->parallel_for(
              rows, std::max<int64_t>(1, 8192 / n), [&](int64_t begin, int64_t end, int) {
                kernels::layernorm::Call call = all;
                call.x += begin * n;
                call.y += begin * n;
                if (call.mean) call.mean += begin;
                if (call.inverse) call.inverse += begin;
                (kCentred ? table.layernorm : table.rmsnorm)(call, end - begin, n);
              });
        });
      },
      std::string(kCentred ? "layernorm_" : "rmsnorm_") + std::string(base::name(table.isa))};
}

}  // namespace

extern const Operator kLayerNormalization{.name = "LayerNormalization",
                                          .infer = infer_layer,
                                          .reference = reference_layer<true>,
                                          .bind = bind_layer<true>};
extern const Operator kRMSNormalization{.name = "RMSNormalization",
                                        .infer = infer_same,
                                        .reference = reference_layer<false>,
                                        .bind = bind_layer<false>};

}  // namespace tersor::ops
