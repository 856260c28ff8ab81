// MatMul (1, 9, 13): numpy's matmul. Integer sums wrap.
#include "ops/detail/matmul_step.h"
#include "ops/detail/widen.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) { c.out(0, c.elem(0), infer_matmul(c.shape(0), c.shape(1))); }

template <typename T>
void run(ComputeContext& c) {
  using Sum = sum_of_t<T>;
  const Tensor a = widened<T>(c.in(0)), b = widened<T>(c.in(1));
  const MatMulShape s = matmul_shape(a.dims(), b.dims());
  WideOutput<T> y(c, 0, c.in(0).dtype(), s.out);
  T* out = y.begin();
  std::vector<Sum> sums(static_cast<size_t>(s.n));
  for (const auto& [at, bt] : matmul_batches(s, a.dims(), b.dims())) {
    const T* left = a.data<T>().data() + at * s.m * s.k;
    const T* right = b.data<T>().data() + bt * s.k * s.n;
    for (int64_t m = 0; m < s.m; ++m) {
      std::ranges::fill(sums, Sum{0});
      for (int64_t k = 0; k < s.k; ++k) {
        const auto v = static_cast<Sum>(left[m * s.k + k]);
        for (int64_t n = 0; n < s.n; ++n)
          sums[static_cast<size_t>(n)] += v * static_cast<Sum>(right[k * s.n + n]);
      }
      for (Sum v : sums) *out++ = static_cast<T>(v);
    }
  }
  y.finish();
}

void reference(ComputeContext& c) {
  dispatch_wide_numeric(c.in(0).dtype(), [&]<typename T>() { run<T>(c); });
}

// Input 2, if there is one, is a bias along the output's last axis. Two quantized activations
// multiply as well as one with a constant. The plan-only attributes say how the heads of an
// attention lie (fuse_heads).
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has_output(0)) return {};
  MatMulForm form;
  form.constant = c.in(1).constant;
  form.a_heads = node.has("a_heads");
  form.b_heads = node.has("b_heads");
  form.b_heads_transposed = node.attr_int("b_heads", 0) == 2;
  form.out_heads = node.has("out_heads");
  const int64_t n = form.columns(c);
  if (c.in(0).quant || c.in(1).quant) {
    const int rank = c.in(1).rank;
    auto numbers = byte_numbers(node, c.in(0), c.in(1), c.has(2) ? &c.in(2) : nullptr, c.outputs[0],
                                rank > 1 ? rank - 1 : -1, n);
    if (!numbers) return {};
    return packing(matmul_u8s8(form, {.numbers = *std::move(numbers)}, c.isa), c);
  }
  const DType dtype = c.in(0).dtype;
  const auto type = float_type(dtype);
  if (!type || c.in(1).dtype != dtype || c.outputs[0].dtype != dtype || c.outputs[0].quant)
    return {};
  FloatMatMulOptions options{.type = *type, .bounds = bounds_of(node)};
  if (c.has(2)) {
    if (!c.in(2).constant) return {};
    auto bias = column_bias(*c.in(2).constant, n);
    if (!bias) return {};
    options.bias = *std::move(bias);
  }
  return packing(matmul_float(form, std::move(options), c.isa), c);
}

}  // namespace

extern const Operator kMatMul{.name = "MatMul",
                              .infer = infer,
                              .reference = reference,
                              .traits = {.quant = QuantClass::kWeighted,
                                         .data_inputs = 7,
                                         .fuses_clip = true,
                                         .fuses_bias = true},
                              .bind = bind};

}  // namespace tersor::ops
