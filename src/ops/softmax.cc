// Softmax, LogSoftmax, Hardmax (1, 11, 13): over one axis from opset 13 (default -1); before, over
// all axes from `axis` (default 1) together.
#include "kernels/softmax/softmax.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/elementwise/elementwise.h"
#include "kernels/halves/halves.h"
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/quant_step.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

AxisSplit split_of(const ir::Node& node, int version, std::span<const int64_t> dims) {
  const auto rank = static_cast<int>(dims.size());
  if (version >= 13) {
    if (rank == 0) return {};
    return split_at(dims, normalize_axis(node.attr_int("axis", -1), rank));
  }
  const int64_t axis = node.attr_int("axis", 1);
  if (axis < -rank || axis > rank)
    base::fail_input("E15", "axis {} is outside a tensor of rank {}", axis, rank);
  const auto a = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return {base::element_count(dims.first(a)), base::element_count(dims.subspan(a)), 1};
}

// f(input, output, length, stride) for every row.
template <typename F>
void reference_rows(ComputeContext& c, F f) {
  const AxisSplit s = split_of(c.node, c.version, c.in(0).dims());
  dispatch_wide(c.in(0).dtype(), [&]<typename T>() {
    const Tensor x = widened<T>(c.in(0));
    WideOutput<T> y(c, 0, c.in(0).dtype(), x.dims());
    if (x.count() > 0)
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < s.inner; ++i) {
          const int64_t at = o * s.length * s.inner + i;
          f(x.data<T>().data() + at, y.begin() + at, s.length, s.inner);
        }
    y.finish();
  });
}

template <typename T>
double largest(const T* x, int64_t n, int64_t stride) {
  T best = x[0];
  for (int64_t i = 1; i < n; ++i) best = std::max(best, x[i * stride]);
  return static_cast<double>(best);
}

// 16-bit types are rounded after each operation, as the specification's function (Sub, Exp,
// ReduceSum, Div) does.
double stored_as(DType type, double v) {
  if (type == DType::kFloat16)
    return static_cast<double>(tensor::to_float(tensor::to_half(static_cast<float>(v))));
  if (type == DType::kBfloat16)
    return static_cast<double>(tensor::to_float(tensor::to_bfloat16(static_cast<float>(v))));
  return v;
}

template <typename T>
void softmax_row(DType type, const T* x, T* y, int64_t n, int64_t stride) {
  const double top = largest(x, n, stride);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double term =
        stored_as(type, std::exp(stored_as(type, static_cast<double>(x[i * stride]) - top)));
    y[i * stride] = static_cast<T>(term);
    sum += term;
  }
  sum = stored_as(type, sum);
  // Terms of float32 are computed again: y holds them rounded.
  const bool narrow = type != DType::kFloat32 && type != DType::kFloat64;
  for (int64_t i = 0; i < n; ++i) {
    const double term = narrow ? static_cast<double>(y[i * stride])
                               : std::exp(static_cast<double>(x[i * stride]) - top);
    y[i * stride] = static_cast<T>(term / sum);
  }
}

void softmax(ComputeContext& c) {
  reference_rows(c,
                 [type = c.in(0).dtype()]<typename T>(const T* x, T* y, int64_t n, int64_t stride) {
                   softmax_row(type, x, y, n, stride);
                 });
}

// Over 16 running values, for the compiler to vectorize.
template <typename F>
float folded(std::span<const float> row, float start, F f) {
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(start);
  size_t i = 0;
  for (; i + kLanes <= row.size(); i += kLanes)
    for (size_t k = 0; k < kLanes; ++k) lanes[k] = f(lanes[k], row[i + k]);
  float result = start;
  for (; i < row.size(); ++i) result = f(result, row[i]);
  for (float v : lanes) result = f(result, v);
  return result;
}

// The same by kernels, row by row on the pool, for 16-bit floats.
struct NarrowSoftmax {
  ir::Node node;
  int version;
  DType type;
  const kernels::halves::Table* halves;
  kernels::elementwise::UnaryFunction exp;

  void narrow(const float* x, uint16_t* y, int64_t n) const {
    (type == DType::kFloat16 ? halves->to_half : halves->to_bfloat16)(x, y, n);
  }
  void widen(const uint16_t* x, float* y, int64_t n) const {
    (type == DType::kFloat16 ? halves->from_half : halves->from_bfloat16)(x, y, n);
  }

  void operator()(runtime::StepContext& s) const {
    const Tensor& x = s.in(0);
    Tensor& y = s.make(0, type, x.dims());
    const AxisSplit split = split_of(node, version, x.dims());
    if (x.count() == 0) return;
    const auto* from = reinterpret_cast<const uint16_t*>(x.raw());
    auto* to = reinterpret_cast<uint16_t*>(y.raw_mutable());
    const int64_t n = split.length;
    s.pool->parallel_for(
        split.outer * split.inner, std::max<int64_t>(1, 1024 / n),
        [&](int64_t begin, int64_t end, int) {
          std::vector<uint16_t> codes(static_cast<size_t>(n));
          std::vector<float> row(static_cast<size_t>(n));
          const auto rounded = [&] {
            narrow(row.data(), codes.data(), n);
            widen(codes.data(), row.data(), n);
          };
          for (int64_t r = begin; r < end; ++r) {
            const int64_t at = r / split.inner * n * split.inner + r % split.inner;
            for (int64_t i = 0; i < n; ++i)
              codes[static_cast<size_t>(i)] = from[at + i * split.inner];
            widen(codes.data(), row.data(), n);
            const float top =
                folded(row, -HUGE_VALF, [](float a, float b) { return a > b ? a : b; });
            for (float& v : row) v -= top;
            rounded();
            exp(row.data(), row.data(), n, {});
            rounded();
            // Halves summed in float32, as numpy does.
            const float sum = folded(row, 0, [](float a, float b) { return a + b; });
            const auto total = static_cast<float>(stored_as(type, static_cast<double>(sum)));
            for (float& v : row) v /= total;
            narrow(row.data(), codes.data(), n);
            for (int64_t i = 0; i < n; ++i)
              to[at + i * split.inner] = codes[static_cast<size_t>(i)];
          }
        });
  }
};

std::optional<runtime::Bound> bind_narrow(const ir::Node& node, const runtime::BindContext& c) {
  if (c.in(0).dtype != c.outputs[0].dtype) return {};
  const auto& halves = kernels::halves::table(c.isa);
  NarrowSoftmax step{node, c.version, c.in(0).dtype, &halves,
                     kernels::elementwise::table(c.isa).unary(kernels::elementwise::Unary::exp)};
  return runtime::Bound{
      [step = std::move(step)](runtime::StepContext& s) { return guarded([&] { step(s); }); },
      fmt::format("softmax_rows_{}", base::name(halves.isa))};
}

void log_softmax(ComputeContext& c) {
  reference_rows(c, []<typename T>(const T* x, T* y, int64_t n, int64_t stride) {
    const double top = largest(x, n, stride);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i * stride]) - top);
    const double shift = top + std::log(sum);
    for (int64_t i = 0; i < n; ++i)
      y[i * stride] = static_cast<T>(static_cast<double>(x[i * stride]) - shift);
  });
}

void hardmax(ComputeContext& c) {
  reference_rows(c, []<typename T>(const T* x, T* y, int64_t n, int64_t stride) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i)
      if (x[i * stride] > x[best * stride]) best = i;
    for (int64_t i = 0; i < n; ++i) y[i * stride] = static_cast<T>(i == best);
  });
}

struct SoftmaxStep {
  ir::Node node;
  int version;
  bool log;
  const kernels::softmax::Table* table;
  const kernels::quantize::Table* quantization;
  std::optional<IntegerFormat> in, out;

  void run(runtime::StepContext& c, const Dims& dims, const float* x, float* y) const {
    const AxisSplit s = split_of(node, version, dims);
    if (s.length == 0 || s.outer * s.inner == 0) return;
    if (s.inner == 1) {
      c.pool->parallel_for(s.outer, std::max<int64_t>(1, 4096 / s.length),
                           [&](int64_t begin, int64_t end, int) {
                             (log ? table->log_softmax : table->softmax)(
                                 x + begin * s.length, y + begin * s.length, end - begin, s.length);
                           });
      return;
    }
    constexpr int64_t kColumns = 256;
    const int64_t pieces = (s.inner + kColumns - 1) / kColumns;
    c.pool->parallel_for(
        s.outer * pieces, std::max<int64_t>(1, 4096 / (s.length * std::min(s.inner, kColumns))),
        [&](int64_t begin, int64_t end, int) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t at = i / pieces * s.length * s.inner, first = i % pieces * kColumns;
            (log ? table->log_softmax_columns : table->softmax_columns)(
                x + at, y + at, s.length, s.inner, first, std::min(first + kColumns, s.inner));
          }
        });
  }

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(0);
    Tensor wide_x, wide_y;
    const float* from = nullptr;
    if (in) {
      wide_x = c.arena->make(DType::kFloat32, x.dims());
      dequantize_all(*quantization, *in, x.dims(), x.raw(), wide_x.mutable_data<float>().data(),
                     *c.pool);
      from = wide_x.data<float>().data();
    } else {
      from = x.data<float>().data();
    }
    if (!out)
      return run(c, x.dims(), from,
                 c.make(0, DType::kFloat32, x.dims()).mutable_data<float>().data());
    wide_y = in ? wide_x : c.arena->make(DType::kFloat32, x.dims());
    float* to = wide_y.mutable_data<float>().data();
    run(c, x.dims(), from, to);
    quantize_all(*quantization, *out, x.dims(), to, c.make(0, out->dtype, x.dims()).raw_mutable(),
                 *c.pool);
  }
};

template <bool kLog>
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has_output(0)) return {};
  const DType type = c.in(0).dtype;
  if (!kLog && (type == DType::kFloat16 || type == DType::kBfloat16)) return bind_narrow(node, c);
  SoftmaxStep step{
      node, c.version, kLog, &kernels::softmax::table(c.isa), &kernels::quantize::table(c.isa),
      {},   {}};
  const auto format = [](const runtime::Wire& w, std::optional<IntegerFormat>& f) {
    if (!w.quant) return w.dtype == DType::kFloat32;
    if (!w.quant->per_tensor()) return false;
    f = IntegerFormat{w.dtype, w.quant->scales, w.quant->zero_points};
    return tensor::bits(w.dtype) == 8;
  };
  if (!format(c.in(0), step.in) || !format(c.outputs[0], step.out)) return {};
  const std::string name =
      std::string(kLog ? "log_softmax_" : "softmax_") + std::string(base::name(step.table->isa));
  return runtime::Bound{
      [step = std::make_shared<const SoftmaxStep>(std::move(step))](runtime::StepContext& context) {
        return guarded([&] { (*step)(context); });
      },
      name};
}

}  // namespace

extern const Operator kSoftmax{
    .name = "Softmax",
    .infer = infer_same,
    .reference = softmax,
    .traits = {.quant = QuantClass::kCombines, .fixed_range = std::pair{0.0F, 1.0F}},
    .bind = bind<false>};
extern const Operator kLogSoftmax{
    .name = "LogSoftmax", .infer = infer_same, .reference = log_softmax, .bind = bind<true>};
extern const Operator kHardmax{.name = "Hardmax", .infer = infer_same, .reference = hardmax};

}  // namespace tersor::ops
