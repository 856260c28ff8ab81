// Products of quantized matrices: MatMulInteger (10), QLinearMatMul (10, 21), and com.microsoft's
// QGemm, MatMulIntegerToFloat and DynamicQuantizeMatMul. Scales and zero points: one number, one
// per row of a, one per column of b.
#include <algorithm>

#include "ops/detail/bind.h"
#include "ops/detail/matmul_step.h"
#include "ops/detail/quant.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

const Tensor* optional(const ComputeContext& c, size_t i) {
  return c.has(i) ? c.inputs[i] : nullptr;
}

// Dimensions under which a parameter of a broadcasts: a vector holds one element per row.
Dims row_dims(const Tensor& t) {
  Dims dims = t.dims();
  if (t.rank() == 1 && t.count() > 1) dims.push_back(1);
  return dims;
}

struct Sums {
  MatMulShape shape;
  std::vector<int32_t> sums;
};

Sums multiply(const std::vector<int32_t>& a, std::span<const int64_t> a_dims,
              const std::vector<int32_t>& b, std::span<const int64_t> b_dims) {
  Sums r{matmul_shape(a_dims, b_dims), {}};
  const MatMulShape& s = r.shape;
  std::vector<uint32_t> row(static_cast<size_t>(s.n));
  for (const auto& [at, bt] : matmul_batches(s, a_dims, b_dims))
    for (int64_t m = 0; m < s.m; ++m) {
      std::ranges::fill(row, 0);
      for (int64_t k = 0; k < s.k; ++k) {
        const int32_t v = a[static_cast<size_t>((at * s.m + m) * s.k + k)];
        const int32_t* from = b.data() + (bt * s.k + k) * s.n;
        for (int64_t n = 0; n < s.n; ++n)
          row[static_cast<size_t>(n)] += static_cast<uint32_t>(v * from[n]);
      }
      for (uint32_t v : row) r.sums.push_back(static_cast<int32_t>(v));
    }
  return r;
}

Sums multiply(const Tensor& a, const Tensor* a_zero, const Tensor& b, const Tensor* b_zero) {
  return multiply(centred(a, a_zero, a_zero ? row_dims(*a_zero) : Dims()), a.dims(),
                  centred(b, b_zero), b.dims());
}

// Calls f(element, sa, sb) for every element of a product.
template <typename F>
void for_each_scale(const MatMulShape& s, const Tensor& a_scale, const Tensor& b_scale, F&& f) {
  Dims full = s.batch;
  full.push_back(s.m);
  full.push_back(s.n);
  const Dims a_dims = row_dims(a_scale), b_dims = b_scale.dims();
  if (broadcast_dims(a_dims, full) != full || broadcast_dims(b_dims, full) != full)
    base::fail_input("E17", "scales of shapes {} and {} for a product of {}",
                     tensor::to_string(a_dims), tensor::to_string(b_dims), tensor::to_string(full));
  const Tensor sa = tensor::to_float32(a_scale), sb = tensor::to_float32(b_scale);
  const auto pa = sa.data<float>(), pb = sb.data<float>();
  size_t e = 0;
  walk<2>(full, {broadcast_strides(a_dims, full), broadcast_strides(b_dims, full)},
          [&](const std::array<int64_t, 2>& o) { f(e++, pa[o[0]], pb[o[1]]); });
}

// ---- MatMulInteger -----------------------------------------------------------------------------

void infer_integer(InferContext& c) {
  c.out(0, DType::kInt32, infer_matmul(c.shape(0), c.shape(1)));
}

void reference_integer(ComputeContext& c) {
  const Sums s = multiply(c.in(0), optional(c, 2), c.in(1), optional(c, 3));
  std::ranges::copy(s.sums, c.out(0, DType::kInt32, s.shape.out).mutable_data<int32_t>().begin());
}

// ---- QLinearMatMul: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero
// ----------------------

void infer_qlinear(InferContext& c) { c.out(0, c.elem(7), infer_matmul(c.shape(0), c.shape(3))); }

void reference_qlinear(ComputeContext& c) {
  const DType to = c.in(7).dtype();
  if (!tensor::is_integer(to)) base::fail_unsupported("QLinearMatMul of type {}", tensor::name(to));
  const Sums s = multiply(c.in(0), &c.in(2), c.in(3), &c.in(5));
  const float sy = single_float(c.in(6));
  const int64_t zero = single_int(c.in(7));
  const int64_t low = tensor::lowest(to), high = tensor::highest(to);
  std::vector<int32_t> y(s.sums.size());
  for_each_scale(s.shape, c.in(1), c.in(4), [&](size_t e, float sa, float sb) {
    y[e] = static_cast<int32_t>(requantized(s.sums[e], multiplier(sa, sb, sy), zero, low, high));
  });
  c.outputs[0] = tensor::cast(Tensor::of<int32_t>(s.shape.out, std::span<const int32_t>(y)), to);
}

// ---- QGemm: a, a_scale, a_zero, b, b_scale, b_zero, c?, y_scale?, y_zero?
// -------------------------

void infer_gemm(InferContext& c) {
  ir::Shape out(2);
  if (c.rank(0) == 2) out[0] = (*c.shape(0))[c.node.attr_int("transA", 0) ? 1 : 0];
  if (c.rank(3) == 2) out[1] = (*c.shape(3))[c.node.attr_int("transB", 0) ? 0 : 1];
  c.out(0, !c.has(7) ? DType::kFloat32 : c.has(8) ? c.elem(8) : c.elem(0), std::move(out));
}

// A matrix of integers minus a zero point, transposed if asked for.
std::vector<int32_t> matrix(const Tensor& t, const Tensor& zero, const Dims& zero_dims,
                            bool transposed, Dims& dims) {
  if (t.rank() != 2)
    base::fail_input("E17", "QGemm takes matrices, not {}", tensor::to_string(t.dims()));
  std::vector<int32_t> v = centred(t, &zero, zero_dims);
  dims = t.dims();
  if (!transposed) return v;
  std::vector<int32_t> r;
  for (int64_t j = 0; j < dims[1]; ++j)
    for (int64_t i = 0; i < dims[0]; ++i) r.push_back(v[static_cast<size_t>(i * dims[1] + j)]);
  std::swap(dims[0], dims[1]);
  return r;
}

void reference_gemm(ComputeContext& c) {
  const bool tb = c.node.attr_int("transB", 0) != 0;
  Dims a_dims, b_dims;
  single_int(c.in(2));
  const auto a = matrix(c.in(0), c.in(2), {}, c.node.attr_int("transA", 0) != 0, a_dims);
  const Tensor& b_zero = c.in(5);
  const Dims zero_dims = tb && b_zero.count() > 1 ? Dims{b_zero.count(), 1} : b_zero.dims();
  const auto b = matrix(c.in(3), b_zero, zero_dims, tb, b_dims);
  Sums s = multiply(a, a_dims, b, b_dims);
  const Dims& dims = s.shape.out;
  if (c.has(6)) {
    const Tensor& bias = c.in(6);
    if (broadcast_dims(bias.dims(), dims) != dims)
      base::fail_input("E17", "a bias of shape {} for a result of {}",
                       tensor::to_string(bias.dims()), tensor::to_string(dims));
    size_t e = 0;
    walk<1>(dims, {broadcast_strides(bias.dims(), dims)}, [&](const std::array<int64_t, 1>& o) {
      const auto v = static_cast<uint32_t>(tensor::as_int64(bias, o[0]));
      s.sums[e] = static_cast<int32_t>(static_cast<uint32_t>(s.sums[e]) + v);
      ++e;
    });
  }
  const double alpha = static_cast<double>(c.node.attr_float("alpha", 1));
  if (!c.has(7)) {
    const auto y = c.out(0, DType::kFloat32, dims).mutable_data<float>();
    for_each_scale(s.shape, c.in(1), c.in(4), [&](size_t e, float sa, float sb) {
      const double product = alpha * static_cast<double>(sa) * static_cast<double>(sb);
      y[e] = static_cast<float>(s.sums[e]) * static_cast<float>(product);
    });
    return;
  }
  const DType to = c.has(8) ? c.in(8).dtype() : c.in(0).dtype();
  const auto sy = static_cast<double>(single_float(c.in(7)));
  const int64_t zero = c.has(8) ? single_int(c.in(8)) : 0;
  const int64_t low = tensor::lowest(to), high = tensor::highest(to);
  std::vector<int32_t> y(s.sums.size());
  for_each_scale(s.shape, c.in(1), c.in(4), [&](size_t e, float sa, float sb) {
    const double product = alpha * static_cast<double>(sa) * static_cast<double>(sb) / sy;
    y[e] =
        static_cast<int32_t>(requantized(s.sums[e], static_cast<float>(product), zero, low, high));
  });
  c.outputs[0] = tensor::cast(Tensor::of<int32_t>(dims, std::span<const int32_t>(y)), to);
}

// ---- products that end in float ----------------------------------------------------------------

void finish_float(ComputeContext& c, const Sums& s, const Tensor& a_scale, const Tensor& b_scale,
                  const Tensor* bias) {
  const auto y = c.out(0, DType::kFloat32, s.shape.out).mutable_data<float>();
  if (bias && (bias->rank() != 1 || bias->dim(0) != s.shape.n))
    base::fail_input("E17", "a bias of shape {} for {} columns", tensor::to_string(bias->dims()),
                     s.shape.n);
  for_each_scale(s.shape, a_scale, b_scale, [&](size_t e, float sa, float sb) {
    y[e] = static_cast<float>(s.sums[e]) * multiplier(sa, sb);
    if (bias)
      y[e] += static_cast<float>(tensor::as_double(*bias, static_cast<int64_t>(e) % s.shape.n));
  });
}

// a, b, a_scale, b_scale, a_zero?, b_zero?, bias?
void infer_to_float(InferContext& c) {
  c.out(0, DType::kFloat32, infer_matmul(c.shape(0), c.shape(1)));
}

void reference_to_float(ComputeContext& c) {
  finish_float(c, multiply(c.in(0), optional(c, 4), c.in(1), optional(c, 5)), c.in(2), c.in(3),
               optional(c, 6));
}

// a (float), b, b_scale, b_zero?, bias?: a is quantized as by DynamicQuantizeLinear.
void reference_dynamic(ComputeContext& c) {
  float low = 0, high = 0;
  for (float v : c.in(0).data<float>()) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  const float scale = low == high ? 1.0F : (high - low) / 255.0F;
  const auto zero = static_cast<uint8_t>(saturated(std::nearbyintf(0.0F - low / scale), 0, 0, 255));
  const Tensor s = Tensor::scalar(scale), z = Tensor::scalar(zero);
  finish_float(c, multiply(quantize(c.in(0), s, &z, {}), &z, c.in(1), optional(c, 3)), s, c.in(2),
               optional(c, 4));
}

// ---- binding -----------------------------------------------------------------------------------

bool eight_bits(DType type) { return type == DType::kUint8 || type == DType::kInt8; }

bool single(const runtime::Wire& w) {
  return w.constant ? w.constant->count() == 1 : w.rank == 0 || w.dims == Dims{1};
}

// Fills signs, zero points and scales of a product whose parameters are inputs of the node; nullopt
// if they are not as the kernels take them: one zero point of a (constant, or computed by
// `options.a_zero`), constants of b that are single or per column.
struct ParameterInputs {
  std::optional<size_t> a_zero, b_zero, a_scale = {}, b_scale = {};
};
std::optional<ByteMatMulOptions> options_of(const runtime::BindContext& c, const MatMulForm& form,
                                            const ParameterInputs& p) {
  ByteMatMulOptions o;
  ByteNumbers& numbers = o.numbers;
  if (!c.has(form.a) || !c.has(form.b) || !c.has_output(0) || !eight_bits(c.in(form.a).dtype) ||
      !eight_bits(c.in(form.b).dtype))
    return {};
  const int64_t n = form.columns(c);
  numbers.a_signed = c.in(form.a).dtype == DType::kInt8;
  numbers.w_signed = c.in(form.b).dtype == DType::kInt8;
  if (p.a_zero && c.has(*p.a_zero)) {
    const runtime::Wire& w = c.in(*p.a_zero);
    if (!single(w)) return {};
    if (w.constant)
      numbers.za = static_cast<int32_t>(single_int(*w.constant));
    else
      o.a_zero = *p.a_zero;
  }
  const auto per_column = [&](const Tensor& t) {
    return t.count() == 1 || (t.rank() == 1 && t.count() == n);
  };
  if (p.b_zero && c.has(*p.b_zero)) {
    const Tensor* t = c.in(*p.b_zero).constant;
    if (!t || !per_column(*t)) return {};
    for (int64_t v : tensor::to_int64s(*t)) numbers.zw.push_back(static_cast<int32_t>(v));
    if (std::ranges::all_of(numbers.zw, [](int32_t z) { return z == 0; })) numbers.zw.clear();
  }
  if (p.a_scale) {
    const runtime::Wire &sa = c.in(*p.a_scale), &sb = c.in(*p.b_scale);
    if (!single(sa) || !sb.constant || !per_column(*sb.constant)) return {};
    const Tensor scales = tensor::to_float32(*sb.constant);
    if (!sa.constant) o.a_scale = *p.a_scale;
    for (float s : scales.data<float>()) numbers.scale.push_back(s);
  }
  return o;
}

std::optional<runtime::Bound> bind_integer(const ir::Node&, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1)) return {};
  MatMulForm form;
  form.constant = c.in(1).constant;
  auto o = options_of(c, form, {2, 3});
  if (!o) return {};
  return matmul_u8s8(form, *std::move(o), c.isa);
}

// The output wire of an operator whose output parameters are constant inputs.
bool quantized_output(const runtime::BindContext& c, size_t scale, size_t zero, DType otherwise,
                      ByteNumbers& numbers, float& sy) {
  if (!c.in(scale).constant || c.in(scale).constant->count() != 1) return false;
  runtime::Wire out = c.outputs[0];
  int32_t zy = 0;
  out.dtype = otherwise;
  if (c.has(zero)) {
    if (!c.in(zero).constant || c.in(zero).constant->count() != 1) return false;
    zy = static_cast<int32_t>(single_int(*c.in(zero).constant));
    out.dtype = c.in(zero).dtype;
  }
  sy = single_float(*c.in(scale).constant);
  out.quant = QuantParams{{sy}, {zy}};
  return set_output(numbers, out, {-HUGE_VALF, HUGE_VALF});
}

std::optional<runtime::Bound> bind_qlinear(const ir::Node&, const runtime::BindContext& c) {
  if (c.inputs.size() != 8) return {};
  MatMulForm form{.a = 0, .b = 3};
  form.constant = c.in(3).constant;
  auto o = options_of(c, form, {2, 5, 1, 4});
  float sy = 1;
  if (!o || o->a_scale || !quantized_output(c, 6, 7, DType::kUint8, o->numbers, sy)) return {};
  const float sa = single_float(*c.in(1).constant);
  for (float& s : o->numbers.scale) s = multiplier(sa, s, sy);
  return matmul_u8s8(form, *std::move(o), c.isa);
}

std::optional<runtime::Bound> bind_gemm(const ir::Node& node, const runtime::BindContext& c) {
  if (c.inputs.size() < 6 || c.in(3).rank != 2) return {};
  MatMulForm form{.a = 0, .b = 3};
  form.transpose_a = node.attr_int("transA", 0) != 0;
  form.transpose_b = node.attr_int("transB", 0) != 0;
  form.constant = c.in(3).constant;
  auto o = options_of(c, form, {2, 5, 1, 4});
  if (!o || o->a_scale) return {};
  const double alpha = static_cast<double>(node.attr_float("alpha", 1));
  const double sa = static_cast<double>(single_float(*c.in(1).constant));
  float sy = 1;
  if (c.has(7)) {
    if (!quantized_output(c, 7, 8, c.in(0).dtype, o->numbers, sy)) return {};
    for (float& s : o->numbers.scale)
      s = static_cast<float>(alpha * sa * static_cast<double>(s) / static_cast<double>(sy));
  } else {
    set_output(o->numbers, c.outputs[0], {-HUGE_VALF, HUGE_VALF});
    for (float& s : o->numbers.scale) s = static_cast<float>(alpha * sa * static_cast<double>(s));
  }
  if (c.has(6)) {
    const Tensor* t = c.in(6).constant;
    const int64_t n = form.columns(c);
    if (!t || n < 0 || (t->count() != 1 && (t->count() != n || t->dims().back() != n))) return {};
    for (int64_t i = 0; i < n; ++i)
      o->numbers.bias.push_back(
          static_cast<int32_t>(tensor::as_int64(*t, t->count() == 1 ? 0 : i)));
  }
  return matmul_u8s8(form, *std::move(o), c.isa);
}

std::optional<runtime::Bound> bind_to_float(const ir::Node&, const runtime::BindContext& c) {
  if (c.inputs.size() < 4) return {};
  MatMulForm form;
  form.constant = c.in(1).constant;
  auto o = options_of(c, form, {4, 5, 2, 3});
  if (!o || c.outputs[0].dtype != DType::kFloat32 ||
      !set_output(o->numbers, c.outputs[0], {-HUGE_VALF, HUGE_VALF}))
    return {};
  if (!o->a_scale) {
    const float sa = single_float(*c.in(2).constant);
    for (float& s : o->numbers.scale) s = multiplier(sa, s);
  }
  if (c.has(6)) {
    if (!c.in(6).constant) return {};
    auto bias = column_bias(*c.in(6).constant, form.columns(c));
    if (!bias) return {};
    o->fbias = *std::move(bias);
  }
  return matmul_u8s8(form, *std::move(o), c.isa);
}

}  // namespace

extern const Operator kMatMulInteger{.name = "MatMulInteger",
                                     .since = 10,
                                     .infer = infer_integer,
                                     .reference = reference_integer,
                                     .bind = bind_integer};
extern const Operator kQLinearMatMul{.name = "QLinearMatMul",
                                     .since = 10,
                                     .infer = infer_qlinear,
                                     .reference = reference_qlinear,
                                     .bind = bind_qlinear};
extern const Operator kQGemm{.name = "QGemm",
                             .domain = "com.microsoft",
                             .infer = infer_gemm,
                             .reference = reference_gemm,
                             .bind = bind_gemm};
extern const Operator kMatMulIntegerToFloat{.name = "MatMulIntegerToFloat",
                                            .domain = "com.microsoft",
                                            .infer = infer_to_float,
                                            .reference = reference_to_float,
                                            .bind = bind_to_float};
extern const Operator kDynamicQuantizeMatMul{.name = "DynamicQuantizeMatMul",
                                             .domain = "com.microsoft",
                                             .infer = infer_to_float,
                                             .reference = reference_dynamic};

}  // namespace tersor::ops
