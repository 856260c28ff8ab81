// Gemm (7, 9, 11, 13): y = alpha * a' b' + beta * c with a' = a or its transpose; c broadcasts to
// y.
#include "ops/detail/matmul_step.h"
#include "ops/detail/walk.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  ir::Shape out(2);
  const bool ta = c.node.attr_int("transA", 0) != 0, tb = c.node.attr_int("transB", 0) != 0;
  if (c.shape(0)) {
    if (c.rank(0) != 2)
      base::fail_input("E17", "Gemm takes matrices, not {}", ir::to_string(*c.shape(0)));
    out[0] = (*c.shape(0))[ta ? 1 : 0];
  }
  if (c.shape(1)) {
    if (c.rank(1) != 2)
      base::fail_input("E17", "Gemm takes matrices, not {}", ir::to_string(*c.shape(1)));
    out[1] = (*c.shape(1))[tb ? 0 : 1];
  }
  c.out(0, c.elem(0), std::move(out));
}

template <typename T>
void run(ComputeContext& c) {
  using Sum = sum_of_t<T>;
  const Tensor a = widened<T>(c.in(0)), b = widened<T>(c.in(1));
  const bool ta = c.node.attr_int("transA", 0) != 0, tb = c.node.attr_int("transB", 0) != 0;
  if (a.rank() != 2 || b.rank() != 2 || a.dim(ta ? 0 : 1) != b.dim(tb ? 1 : 0))
    base::fail_input("E17", "a matrix product of shapes {} and {}", tensor::to_string(a.dims()),
                     tensor::to_string(b.dims()));
  const int64_t rows = a.dim(ta ? 1 : 0), inner = a.dim(ta ? 0 : 1), columns = b.dim(tb ? 0 : 1);
  const double alpha = static_cast<double>(c.node.attr_float("alpha", 1));
  const double beta = static_cast<double>(c.node.attr_float("beta", 1));
  const Dims dims{rows, columns};
  Tensor bias;
  Dims stride{0, 0};
  if (c.has(2)) {
    bias = widened<T>(c.in(2));
    if (bias.rank() > 2 || broadcast_dims(bias.dims(), dims) != dims)
      base::fail_input("E17", "a bias of shape {} for a result of {}",
                       tensor::to_string(bias.dims()), tensor::to_string(dims));
    stride = broadcast_strides(bias.dims(), dims);
  }
  WideOutput<T> y(c, 0, c.in(0).dtype(), dims);
  T* out = y.begin();
  const T *left = a.data<T>().data(), *right = b.data<T>().data();
  const int64_t am = ta ? 1 : inner, ak = ta ? rows : 1, bk = tb ? 1 : columns, bn = tb ? inner : 1;
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < columns; ++n) {
      Sum sum = 0;
      for (int64_t k = 0; k < inner; ++k)
        sum += static_cast<Sum>(left[m * am + k * ak]) * static_cast<Sum>(right[k * bk + n * bn]);
      T v = static_cast<T>(sum);
      const T extra = bias.defined()
                          ? bias.data<T>()[static_cast<size_t>(m * stride[0] + n * stride[1])]
                          : T{0};
      if constexpr (std::is_integral_v<T>) {
        if (alpha != 1) v = static_cast<T>(alpha * static_cast<double>(v));
        const T more = beta == 1 ? extra : static_cast<T>(beta * static_cast<double>(extra));
        v = static_cast<T>(static_cast<Sum>(v) + static_cast<Sum>(more));
      } else {
        v = static_cast<T>(alpha * sum +
                           (bias.defined() ? beta * static_cast<double>(extra) : 0.0));
      }
      *out++ = v;
    }
  y.finish();
}

void reference(ComputeContext& c) {
  dispatch_wide_numeric(c.in(0).dtype(), [&]<typename T>() { run<T>(c); });
}

std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has_output(0) || c.in(1).rank != 2) return {};
  MatMulForm form;
  form.transpose_a = node.attr_int("transA", 0) != 0;
  form.transpose_b = node.attr_int("transB", 0) != 0;
  form.constant = c.in(1).constant;
  const int64_t n = form.columns(c);
  const float alpha = node.attr_float("alpha", 1), beta = node.attr_float("beta", 1);
  if (c.in(0).quant || c.in(1).quant) {
    if (alpha != 1 || (c.has(2) && beta != 1)) return {};
    // A bias of one row counts as a vector.
    runtime::Wire bias;
    Tensor flat;
    if (c.has(2)) {
      bias = c.in(2);
      if (!bias.constant || (bias.constant->count() != 1 && bias.constant->count() != n)) return {};
      if (bias.constant->rank() == 2 && bias.constant->dim(1) != n && bias.constant->count() != 1)
        return {};
      flat = bias.constant->reshaped({bias.constant->count()});
      bias.constant = &flat;
    }
    auto numbers = byte_numbers(node, c.in(0), c.in(1), c.has(2) ? &bias : nullptr, c.outputs[0],
                                form.transpose_b ? 0 : 1, n);
    if (!numbers) return {};
    return packing(matmul_u8s8(form, {.numbers = *std::move(numbers)}, c.isa), c);
  }
  const DType dtype = c.in(0).dtype;
  const auto type = float_type(dtype);
  if (!type || c.in(1).dtype != dtype || c.outputs[0].dtype != dtype || c.outputs[0].quant)
    return {};
  FloatMatMulOptions options{.type = *type, .bounds = bounds_of(node), .alpha = alpha};
  if (c.has(2)) {
    if (c.in(2).constant) {
      auto bias = column_bias(*c.in(2).constant, n);
      if (!bias) return {};
      for (float& v : *bias) v *= beta;
      options.bias = *std::move(bias);
    } else {
      // A computed bias is a vector or a matrix, by what its dimensions and the output's say.
      const runtime::Wire &b = c.in(2), &y = c.outputs[0];
      const bool vector = dtype == DType::kFloat32 && b.rank == 1 && n > 1 && b.dims == Dims{n};
      const bool matrix = b.rank == 2 && y.rank == 2 && b.dims == y.dims && b.dims[0] > 1;
      if (beta != 1 || (!vector && !matrix)) return {};
      options.addend = 2;
    }
  }
  return packing(matmul_float(form, std::move(options), c.isa), c);
}

}  // namespace

extern const Operator kGemm{
    .name = "Gemm",
    .infer = infer,
    .reference = reference,
    .traits = {.quant = QuantClass::kWeighted, .data_inputs = 7, .fuses_clip = true},
    .bind = bind};

}  // namespace tersor::ops
