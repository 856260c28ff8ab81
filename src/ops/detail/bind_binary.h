// Binding of binary operators with broadcasting, on float32 and 8-bit wires.
#pragma once

#include <cmath>
#include <memory>

#include "kernels/elementwise/quantized_binary.h"
#include "ops/detail/bind.h"
#include "ops/detail/broadcast.h"

namespace tersor::ops::detail {

// y[i] = f(a[i or 0], b[i or 0]) for n elements.
template <typename T>
using BinaryRow = void (*)(const T* a, const T* b, T* y, int64_t n, bool a_moves, bool b_moves);

template <typename T, typename F>
void binary_row(const T* a, const T* b, T* y, int64_t n, bool a_moves, bool b_moves, F f) {
  if (a_moves && b_moves) {
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
  } else if (a_moves) {
    const T q = *b;
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], q);
  } else if (b_moves) {
    const T p = *a;
    for (int64_t i = 0; i < n; ++i) y[i] = f(p, b[i]);
  } else {
    const T v = f(*a, *b);
    for (int64_t i = 0; i < n; ++i) y[i] = v;
  }
}

// The two operands of a step: constants in physical order where the output is channels-last.
struct Operands {
  std::array<Tensor, 2> constants;
  explicit Operands(const runtime::BindContext& c) {
    for (size_t i = 0; i < 2; ++i)
      if (c.in(i).constant && channels_last(c.outputs[0]))
        constants[i] = physical(*c.in(i).constant, c.outputs[0].rank);
  }
  const Tensor& operator()(const runtime::StepContext& c, size_t i) const {
    return constants[i].defined() ? constants[i] : c.in(i);
  }
};

// The bounds of a fused clip, or infinities.
struct ClipRange {
  float low, high;
  explicit ClipRange(const ir::Node& node)
      : low(node.attr_float("clip_min", -HUGE_VALF)),
        high(node.attr_float("clip_max", HUGE_VALF)) {}
  bool any() const { return low > -HUGE_VALF || high < HUGE_VALF; }
  float operator()(float v) const { return v < low ? low : v > high ? high : v; }
};

template <typename T>
runtime::Call binary_call(Operands operands, BinaryRow<T> row, ClipRange clip) {
  return [operands = std::move(operands), row, clip](runtime::StepContext& c) {
    return guarded([&] {
      const Tensor &a = operands(c, 0), &b = operands(c, 1);
      Dims dims = broadcast_dims(a.dims(), b.dims());
      const Rows<2> rows(dims, {a.dims(), b.dims()});
      Tensor& y = c.make(0, a.dtype(), std::move(dims));
      const T *pa = a.data<T>().data(), *pb = b.data<T>().data();
      T* py = y.mutable_data<T>().data();
      const bool clips = clip.any();
      rows.run(*c.pool, [&](int64_t to, const std::array<int64_t, 2>& at, int64_t n) {
        row(pa + at[0], pb + at[1], py + to, n, rows.advances(0), rows.advances(1));
        if constexpr (std::is_same_v<T, float>)
          if (clips)
            for (int64_t i = to; i < to + n; ++i) py[i] = clip(py[i]);
      });
    });
  };
}

// y = code(f(real(a), real(b))) from a table over all pairs of codes.
template <typename F>
runtime::Call pair_table_call(Operands operands, const ByteFormat& fa, const ByteFormat& fb,
                              const ByteFormat& fy, ClipRange clip, F f) {
  auto table = std::make_shared<std::array<uint8_t, 65536>>();
  for (int p = 0; p < 256; ++p)
    for (int q = 0; q < 256; ++q)
      (*table)[static_cast<size_t>(p * 256 + q)] =
          fy.code(clip(f(fa.real(static_cast<uint8_t>(p)), fb.real(static_cast<uint8_t>(q)))));
  return [operands = std::move(operands),
          table = std::shared_ptr<const std::array<uint8_t, 65536>>(table),
          dtype = fy.dtype()](runtime::StepContext& c) {
    return guarded([&] {
      const Tensor &a = operands(c, 0), &b = operands(c, 1);
      Dims dims = broadcast_dims(a.dims(), b.dims());
      const Rows<2> rows(dims, {a.dims(), b.dims()});
      Tensor& y = c.make(0, dtype, std::move(dims));
      const auto* pa = reinterpret_cast<const uint8_t*>(a.raw());
      const auto* pb = reinterpret_cast<const uint8_t*>(b.raw());
      auto* py = reinterpret_cast<uint8_t*>(y.raw_mutable());
      const uint8_t* t = table->data();
      rows.run(*c.pool, [&](int64_t to, const std::array<int64_t, 2>& at, int64_t n) {
        binary_row(pa + at[0], pb + at[1], py + to, n, rows.advances(0), rows.advances(1),
                   [t](uint8_t p, uint8_t q) { return t[p * 256 + q]; });
      });
    });
  };
}

// ---- with kernels
// --------------------------------------------------------------------------------

using kernels::elementwise::Binary;
using kernels::elementwise::Pattern;

template <size_t N>
Pattern pattern_of(const Rows<N>& rows) {
  return rows.advances(0) == rows.advances(1) ? Pattern::vector_vector
         : rows.advances(0)                   ? Pattern::vector_scalar
                                              : Pattern::scalar_vector;
}

inline runtime::Bound bind_f32_kernel(Operands operands, Binary function, ClipRange clip,
                                      const base::IsaSet& isa) {
  const auto& table = kernels::elementwise::table(isa);
  return {[operands = std::move(operands), function, &table, clip](runtime::StepContext& c) {
            return guarded([&] {
              const Tensor &a = operands(c, 0), &b = operands(c, 1);
              Dims dims = broadcast_dims(a.dims(), b.dims());
              const Rows<2> rows(dims, {a.dims(), b.dims()});
              Tensor& y = c.make(0, DType::kFloat32, std::move(dims));
              const float *pa = a.data<float>().data(), *pb = b.data<float>().data();
              float* py = y.mutable_data<float>().data();
              const auto run = table.binary(function, pattern_of(rows));
              rows.run(*c.pool, [&](int64_t to, const std::array<int64_t, 2>& at, int64_t n) {
                run(pa + at[0], pb + at[1], py + to, n, {clip.low, clip.high});
              });
            });
          },
          fmt::format("binary_f32_{}", base::name(table.isa))};
}

inline runtime::Bound bind_byte_kernel(Operands operands, Binary function, const ByteFormat& a,
                                       const ByteFormat& b, const ByteFormat& y, ClipRange clip,
                                       const base::IsaSet& isa) {
  const auto& table = kernels::elementwise::byte_table(isa);
  const auto number = [&](float real) {
    const uint8_t code = y.code(real);
    return y.is_signed ? int32_t{static_cast<int8_t>(code)} : int32_t{code};
  };
  kernels::elementwise::ByteBinaryCall call{
      {a.scale, a.zero, a.is_signed},
      {b.scale, b.zero, b.is_signed},
      {y.scale, y.zero, y.is_signed, number(clip.low), number(clip.high)}};
  call.estimate = table.settle(function, call);
  return {[operands = std::move(operands), function, &table, call,
           dtype = y.dtype()](runtime::StepContext& c) {
            return guarded([&] {
              const Tensor &p = operands(c, 0), &q = operands(c, 1);
              Dims dims = broadcast_dims(p.dims(), q.dims());
              const Rows<2> rows(dims, {p.dims(), q.dims()});
              Tensor& out = c.make(0, dtype, std::move(dims));
              const std::byte *pp = p.raw(), *pq = q.raw();
              std::byte* to = out.raw_mutable();
              const auto run = table.binary(function, pattern_of(rows));
              rows.run(*c.pool, [&](int64_t offset, const std::array<int64_t, 2>& at, int64_t n) {
                run(pp + at[0], pq + at[1], to + offset, n, call);
              });
            });
          },
          fmt::format("binary_u8_{}", base::name(table.isa)), true};
}

// kFunction on floats is the operator, kKernel the Binary that computes it, or -1.
template <auto kFunction, int kKernel = -1>
std::optional<runtime::Bound> bind_binary(const ir::Node& node, const runtime::BindContext& c) {
  if (c.inputs.size() != 2 || !c.has(0) || !c.has(1) || !c.has_output(0)) return {};
  const ClipRange clip(node);
  if (c.in(0).quant || c.in(1).quant || c.outputs[0].quant) {
    const auto a = byte_format(c.in(0)), b = byte_format(c.in(1)), y = byte_format(c.outputs[0]);
    if (!a || !b || !y) return {};
    if constexpr (kKernel >= 0 && kKernel != static_cast<int>(Binary::pow))
      return bind_byte_kernel(Operands(c), static_cast<Binary>(kKernel), *a, *b, *y, clip, c.isa);
    return runtime::Bound{pair_table_call(Operands(c), *a, *b, *y, clip, kFunction),
                          "pair_table_u8", true};
  }
  const DType type = c.in(0).dtype;
  if (c.in(1).dtype != type) return {};
  if (type == DType::kFloat32) {
    if constexpr (kKernel >= 0)
      return bind_f32_kernel(Operands(c), static_cast<Binary>(kKernel), clip, c.isa);
    const BinaryRow<float> row = [](const float* a, const float* b, float* y, int64_t n, bool am,
                                    bool bm) { binary_row(a, b, y, n, am, bm, kFunction); };
    return runtime::Bound{binary_call<float>(Operands(c), row, clip), "binary_f32"};
  }
  return {};
}

}  // namespace tersor::ops::detail
