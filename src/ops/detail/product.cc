#include "ops/detail/product.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/detail/quant.h"

namespace tersor::ops::detail {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool eight_bits(DType type) { return type == DType::kUint8 || type == DType::kInt8; }

int32_t code_of(float real, float scale, const ByteNumbers& n) {
  return static_cast<int32_t>(saturated(std::nearbyintf(real / scale), n.zero,
                                        tensor::lowest(n.out), tensor::highest(n.out)));
}

int32_t to_int32(double v) {
  return static_cast<int32_t>(std::clamp(std::nearbyint(v), -2147483648.0, 2147483647.0));
}

// The bias in units of sx * sw.
std::optional<std::vector<int32_t>> byte_bias(const runtime::Wire& b, float sx,
                                              const std::vector<float>& sw, int64_t n) {
  const Tensor* t = b.constant;
  if (!t || (t->count() != n && t->count() != 1)) return {};
  std::vector<int32_t> bias;
  for (int64_t i = 0; i < n; ++i) {
    const auto k = static_cast<size_t>(i);
    const float w = sw[sw.size() == 1 ? 0 : k];
    const double unit = static_cast<double>(sx) * static_cast<double>(w);
    const int64_t at = t->count() == 1 ? 0 : i;
    if (t->dtype() == DType::kFloat32) {
      bias.push_back(
          to_int32(static_cast<double>(t->data<float>()[static_cast<size_t>(at)]) / unit));
    } else if (t->dtype() == DType::kInt32 && b.quant) {
      const auto& scales = b.quant->scales;
      const auto& zeros = b.quant->zero_points;
      if (scales.size() != 1 && static_cast<int64_t>(scales.size()) != n) return {};
      const float scale = scales[scales.size() == 1 ? 0 : k];
      const int32_t zero = zeros.empty() ? 0 : zeros[zeros.size() == 1 ? 0 : k];
      const int32_t value = t->data<int32_t>()[static_cast<size_t>(at)];
      if (zero == 0 && scale == multiplier(sx, w))
        bias.push_back(value);
      else
        bias.push_back(to_int32((static_cast<double>(value) - static_cast<double>(zero)) *
                                static_cast<double>(scale) / unit));
    } else {
      return {};
    }
  }
  return bias;
}

}  // namespace

bool ByteNumbers::small_scales() const {
  return std::ranges::all_of(
      scale, [](float s) { return std::abs(s) <= kernels::GemmU8S8Epilogue::kSmallScale; });
}

WorkerScratch::WorkerScratch(runtime::StepContext& c, size_t bytes)
    : stride_(base::align_up(std::max<size_t>(bytes, 1), 64)) {
  memory_ = c.arena->make(DType::kUint8, {static_cast<int64_t>(stride_) * c.pool->size()});
  base_ = memory_.raw_mutable();
}

Bounds bounds_of(const ir::Node& node) {
  return {node.attr_float("clip_min", -kInfinity), node.attr_float("clip_max", kInfinity)};
}

bool set_output(ByteNumbers& n, const runtime::Wire& out, const Bounds& bounds) {
  if (out.quant) {
    if (!eight_bits(out.dtype) || !out.quant->per_tensor()) return false;
    n.out = out.dtype;
    n.kind = out.dtype == DType::kUint8 ? kernels::GemmOutput::u8 : kernels::GemmOutput::s8;
    n.zero = out.quant->zero_point();
    n.qmin = static_cast<int32_t>(tensor::lowest(out.dtype));
    n.qmax = static_cast<int32_t>(tensor::highest(out.dtype));
    const float scale = out.quant->scale();
    if (bounds.min > -kInfinity) n.qmin = code_of(bounds.min, scale, n);
    if (bounds.max < kInfinity) n.qmax = code_of(bounds.max, scale, n);
    return true;
  }
  n.out = DType::kFloat32;
  n.kind = kernels::GemmOutput::f32;
  n.min = bounds.min;
  n.max = bounds.max;
  return out.dtype == DType::kFloat32;
}

std::optional<ByteNumbers> byte_numbers(const ir::Node& node, const runtime::Wire& x,
                                        const runtime::Wire& w, const runtime::Wire* b,
                                        const runtime::Wire& y, int axis, int64_t n) {
  if (!x.quant || !w.quant || !x.quant->per_tensor() || !eight_bits(x.dtype) ||
      !eight_bits(w.dtype))
    return {};
  ByteNumbers r;
  r.a_signed = x.dtype == DType::kInt8;
  r.w_signed = w.dtype == DType::kInt8;
  r.za = x.quant->zero_point();
  const std::vector<float>& sw = w.quant->scales;
  if (sw.size() != 1 && (w.quant->axis != axis || static_cast<int64_t>(sw.size()) != n)) return {};
  r.zw = w.quant->zero_points;
  if (std::ranges::all_of(r.zw, [](int32_t z) { return z == 0; })) r.zw.clear();
  if (!r.zw.empty() && r.zw.size() != sw.size()) return {};
  if (!set_output(r, y, bounds_of(node))) return {};
  const float sx = x.quant->scale();
  for (float s : sw)
    r.scale.push_back(y.quant ? multiplier(sx, s, y.quant->scale()) : multiplier(sx, s));
  if (b && b->present) {
    if (n < 0) return {};
    auto bias = byte_bias(*b, sx, sw, n);
    if (!bias) return {};
    r.bias = *std::move(bias);
  }
  return r;
}

FloatProduct::FloatProduct(const kernels::GemmF32Shape& shape, const float* b, base::IsaSet isa) {
  const kernels::GemmF32Row& row = kernels::select_gemm_f32(shape, isa);
  auto memory = Buffer::allocate(kernels::packed_bytes(row, shape.layout));
  kernels::pack(row, shape.layout, b, kernels::FloatType::f32, memory->data());
  weights = kernels::GemmF32Weights(row, shape.layout, memory->data());
  packed = std::move(memory);
}

void FloatProduct::run(runtime::StepContext& c, const kernels::GemmF32Call& call, int64_t m) const {
  const WorkerScratch scratch(c, kernels::scratch_bytes(weights, call));
  const auto split = kernels::split_work(weights, m, c.pool->size());
  c.pool->parallel_for(split.tasks(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i)
      kernels::run(weights, call, split.rows(i), split.columns(i), scratch.of(worker));
  });
}

ByteProduct::ByteProduct(const kernels::MatrixLayout& layout, const void* b, ByteNumbers given,
                         int64_t m, base::IsaSet isa)
    : numbers(std::move(given)), small_scales(numbers.small_scales()) {
  const kernels::GemmU8S8Row& row =
      kernels::select_gemm_u8s8({m, layout}, b, numbers.w_signed, isa);
  auto memory = Buffer::allocate(kernels::packed_bytes(row, layout));
  auto* data = reinterpret_cast<int8_t*>(memory->data());
  const auto n = static_cast<size_t>(layout.groups * layout.n);
  column_sums.resize(n);
  kernels::pack(row, layout, b, numbers.w_signed, data, column_sums.data());
  weights = kernels::GemmU8S8Weights(row, layout, data, numbers.w_signed);
  packed = std::move(memory);
  folded.resize(n);
  b_zero.resize(n);
  const bool any = kernels::fold_zero_points(
      weights, column_sums.data(), numbers.a_signed, numbers.za,
      numbers.zw.empty() ? nullptr : numbers.zw.data(), static_cast<int64_t>(numbers.zw.size()),
      numbers.bias.empty() ? nullptr : numbers.bias.data(), folded.data(), b_zero.data());
  if (!any) b_zero.clear();
  scale = numbers.scale;
  if (scale.size() == 1) scale.assign(n, scale[0]);
}

namespace {

kernels::GemmU8S8Call call_with(const ByteNumbers& numbers, const std::vector<int32_t>& folded,
                                const std::vector<float>& scale, bool small_scales) {
  kernels::GemmU8S8Call call;
  call.a_signed = numbers.a_signed;
  call.a_zero = numbers.za;
  auto& e = call.epilogue;
  e.kind = numbers.kind;
  e.bias = folded.data();
  e.scale = scale.empty() ? nullptr : scale.data();
  e.small_scales = small_scales;
  if (e.kind == kernels::GemmOutput::f32) {
    e.min = numbers.min;
    e.max = numbers.max;
  }
  e.zero = numbers.zero;
  e.qmin = numbers.qmin;
  e.qmax = numbers.qmax;
  return call;
}

}  // namespace

ByteEpilogue::ByteEpilogue(ByteNumbers given, std::vector<int32_t> column_sums)
    : numbers(std::move(given)),
      folded(std::move(column_sums)),
      scale(numbers.scale),
      small_scales(numbers.small_scales()) {
  const auto zero = static_cast<uint32_t>(numbers.za + (numbers.a_signed ? 128 : 0));
  for (size_t n = 0; n < folded.size(); ++n) {
    const auto bias = static_cast<uint32_t>(numbers.bias.empty() ? 0 : numbers.bias[n]);
    folded[n] = static_cast<int32_t>(bias - zero * static_cast<uint32_t>(folded[n]));
  }
  if (scale.size() == 1) scale.assign(folded.size(), scale[0]);
}

kernels::GemmU8S8Call ByteEpilogue::call() const {
  return call_with(numbers, folded, scale, small_scales);
}

kernels::GemmU8S8Call ByteProduct::call() const {
  kernels::GemmU8S8Call call = call_with(numbers, folded, scale, small_scales);
  call.epilogue.b_zero = b_zero.empty() ? nullptr : b_zero.data();
  return call;
}

void ByteProduct::set_zero_point(kernels::GemmU8S8Call& call, int32_t za,
                                 std::vector<int32_t>& memory) const {
  memory.resize(2 * folded.size());
  kernels::fold_zero_points(weights, column_sums.data(), numbers.a_signed, za,
                            numbers.zw.empty() ? nullptr : numbers.zw.data(),
                            static_cast<int64_t>(numbers.zw.size()),
                            numbers.bias.empty() ? nullptr : numbers.bias.data(), memory.data(),
                            memory.data() + folded.size());
  call.epilogue.bias = memory.data();
  call.a_zero = za;
}

void ByteProduct::run(runtime::StepContext& c, const kernels::GemmU8S8Call& call, int64_t m) const {
  const WorkerScratch scratch(c, kernels::scratch_bytes(weights));
  const auto split = kernels::split_work(weights, m, c.pool->size());
  c.pool->parallel_for(split.tasks(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i)
      kernels::run(weights, call, split.rows(i), split.columns(i), scratch.of(worker));
  });
}

std::string why_exact(const kernels::GemmU8S8Row& row) {
  if (row.magnitudes())
    return "exact: signs or seven bits of the left operand leave pmaddubsw nothing to saturate";
  if (row.form == kernels::GemmU8S8Form::fours)
    return "exact: these weights are so small that four products fit 16 bits; where they are not, "
           "operands are widened";
  if (row.form == kernels::GemmU8S8Form::tiles) return "exact: tdpbusd and tdpbssd add in 32 bits";
  const bool vnni = row.isa == base::Isa::avx512vnni || row.isa == base::Isa::avxvnni;
  return vnni ? "exact: vpdpbusd adds in 32 bits" : "exact: operands are widened to 16 bits";
}

std::string why_products(const kernels::GemmF32Row& row, kernels::FloatType type,
                         base::IsaSet isa) {
  if (type != kernels::FloatType::bf16) return {};
  if (row.by_tiles()) return "bfloat16 as it is: tdpbf16ps adds in float32";
  if (row.operands == type) return "bfloat16 as it is: vdpbf16ps adds in float32";
  return isa.has(base::Isa::amx) ? "float32: too few products or columns for tiles of bfloat16"
                                 : "";
}

}  // namespace tersor::ops::detail
