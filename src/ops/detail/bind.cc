#include "ops/detail/bind.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>

#include "kernels/quantize/quantize.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops::detail {
namespace {

const ComputeContext::RunBody kNoBody;

// Runs a reference on given inputs into given outputs.
void compute(Reference reference, const ir::Node& node, int version,
             std::span<const Tensor* const> inputs, std::span<Tensor> outputs,
             const std::function<Tensor(DType, Dims)>& allocate) {
  ComputeContext context{node, version, inputs, outputs, kNoBody, allocate};
  reference(context);
}

std::function<Tensor(DType, Dims)> arena_of(runtime::StepContext& c) {
  return [&c](DType type, Dims dims) { return c.arena->make(type, std::move(dims)); };
}

// A table of the reference over the reals of all codes.
std::optional<ByteTable> table_of(const ir::Node& node, const runtime::BindContext& c,
                                  Reference reference, const ByteFormat& in,
                                  const ByteFormat& out) {
  Tensor x = Tensor::empty(DType::kFloat32, {256});
  for (int i = 0; i < 256; ++i)
    x.mutable_data<float>()[static_cast<size_t>(i)] = in.real(static_cast<uint8_t>(i));
  std::vector<const Tensor*> inputs = {&x};
  for (size_t i = 1; i < c.inputs.size(); ++i) {
    if (c.has(i) && (!c.in(i).constant || c.in(i).constant->count() != 1)) return {};
    inputs.push_back(c.has(i) ? c.in(i).constant : nullptr);
  }
  std::vector<Tensor> outputs(1);
  compute(reference, node, c.version, inputs, outputs, {});
  ByteTable table;
  for (size_t i = 0; i < 256; ++i) table[i] = out.code(outputs[0].data<float>()[i]);
  return table;
}

// The part [begin, end) of a tensor's elements, as a vector.
Tensor piece(const Tensor& t, int64_t begin, int64_t end) {
  const auto width = static_cast<size_t>(tensor::bits(t.dtype())) / 8;
  return Tensor(t.dtype(), {end - begin}, t.buffer(),
                t.offset() + static_cast<size_t>(begin) * width);
}

runtime::Call map_pieces(const ir::Node& node, int version, Reference reference) {
  return [node, version, reference](runtime::StepContext& c) -> runtime::Status {
    const Tensor& x = c.in(0);
    const Tensor y = c.make(0, x.dtype(), x.dims());
    runtime::Status status;
    std::mutex mutex;
    c.pool->parallel_for(x.count(), 8192, [&](int64_t begin, int64_t end, int) {
      runtime::Status mine = guarded([&] {
        const Tensor part = piece(x, begin, end);
        std::vector<const Tensor*> inputs(c.inputs.begin(), c.inputs.end());
        inputs[0] = &part;
        std::vector<Tensor> outputs(1);
        compute(reference, node, version, inputs, outputs,
                [&](DType, const Dims&) { return piece(y, begin, end); });
        // A reference may have made its result elsewhere.
        Tensor to = piece(y, begin, end);
        if (outputs[0].raw() != to.raw() && to.bytes() > 0)
          std::memcpy(to.raw_mutable(), outputs[0].raw(), to.bytes());
      });
      if (mine.ok()) return;
      const std::lock_guard lock(mutex);
      status = std::move(mine);
    });
    return status;
  };
}

}  // namespace

runtime::Status guarded(const std::function<void()>& f) noexcept {
  try {
    f();
    return {};
  } catch (Error& error) {
    return {std::move(error)};
  } catch (const std::bad_alloc&) {
    return runtime::Status::failure(ErrorKind::kLimit, "E61", "not enough memory");
  }
}

Tensor physical(const Tensor& logical, int rank) {
  if (logical.count() == 1 || rank < 3)
    return logical.count() == 1 ? logical.reshaped({}) : logical;
  Dims dims(static_cast<size_t>(rank - logical.rank()), 1);
  dims.insert(dims.end(), logical.dims().begin(), logical.dims().end());
  const Dims strides = strides_of(dims);
  Dims to = dims, from = strides;
  for (int axis = 0; axis < rank; ++axis) {
    const auto p = static_cast<size_t>(physical_axis(axis, rank));
    to[p] = dims[static_cast<size_t>(axis)];
    from[p] = strides[static_cast<size_t>(axis)];
  }
  Tensor out = Tensor::empty(logical.dtype(), to);
  if (out.count() > 0)
    copy_strided(static_cast<size_t>(tensor::bits(logical.dtype())) / 8, to, out.raw_mutable(),
                 strides_of(to), logical.raw(), from);
  return out;
}

namespace {

runtime::RealMap map_to_reals(const UnaryKernel& kernel, base::IsaSet isa) {
  return {DType::kFloat32,
          [run = kernels::elementwise::table(isa).unary(kernel.function),
           arguments = kernel.arguments](const float* from, std::byte* to, int64_t n) {
            run(from, reinterpret_cast<float*>(to), n, arguments);
          }};
}

// The kernel, and its results as bytes while they are in L1.
template <typename T>
runtime::RealMap map_to_bytes(const UnaryKernel& kernel, const ByteFormat& out,
                              const kernels::quantize::Codes<T>& codes, base::IsaSet isa) {
  const kernels::quantize::Format<T> format{.scale = out.scale, .zero = out.zero};
  return {out.dtype(), [run = kernels::elementwise::table(isa).unary(kernel.function),
                        arguments = kernel.arguments, quantize = codes.quantize,
                        format](const float* from, std::byte* to, int64_t count) {
            constexpr int64_t kPiece = 2048;
            float reals[kPiece];
            for (int64_t at = 0; at < count; at += kPiece) {
              const int64_t n = std::min(kPiece, count - at);
              run(from + at, reals, n, arguments);
              quantize(reals, reinterpret_cast<T*>(to) + at, n, format);
            }
          }};
}

// All elements of a tensor through a map.
runtime::Bound mapping(runtime::RealMap map, std::string kernel) {
  runtime::Bound bound{[map](runtime::StepContext& step) {
                         const Tensor& x = step.in(0);
                         std::byte* to = step.make(0, map.type, x.dims()).raw_mutable();
                         const float* from = x.data<float>().data();
                         const int64_t width = tensor::bits(map.type) / 8;
                         step.pool->parallel_for(
                             x.count(), 8192, [&](int64_t begin, int64_t end, int) {
                               map.run(from + begin, to + begin * width, end - begin);
                             });
                         return runtime::Status{};
                       },
                       std::move(kernel)};
  bound.map = std::move(map);
  return bound;
}

}  // namespace

std::optional<runtime::Bound> bind_maps(const ir::Node& node, const runtime::BindContext& c,
                                        Reference reference, std::optional<UnaryKernel> kernel) {
  if (!c.has(0) || !c.has_output(0)) return {};
  const auto isa_name = [&] { return base::name(kernels::elementwise::table(c.isa).isa); };
  if (c.in(0).quant || c.outputs[0].quant) {
    const auto in = byte_format(c.in(0)), out = byte_format(c.outputs[0]);
    if (kernel && out && !c.in(0).quant && c.in(0).dtype == DType::kFloat32) {
      const auto& codes = kernels::quantize::table(c.isa);
      return mapping(out->is_signed ? map_to_bytes(*kernel, *out, codes.s8, c.isa)
                                    : map_to_bytes(*kernel, *out, codes.u8, c.isa),
                     fmt::format("unary_f32_{}_to_{}", isa_name(), tensor::name(out->dtype())));
    }
    if (!in || !out) return {};
    const auto table = table_of(node, c, reference, *in, *out);
    if (!table) return {};
    return runtime::Bound{
        [map = ByteMap(*table, c.isa), dtype = out->dtype()](runtime::StepContext& step) {
          return guarded([&] { step.outputs[0] = mapped(step, map, step.in(0), dtype); });
        },
        "table_u8", true};
  }
  if (c.in(0).dtype != c.outputs[0].dtype || tensor::bits(c.in(0).dtype) < 8) return {};
  if (kernel && c.in(0).dtype == DType::kFloat32) {
    return mapping(map_to_reals(*kernel, c.isa), fmt::format("unary_f32_{}", isa_name()));
  }
  // 16-bit floats go through the kernel too, widened.
  if (kernel && (c.in(0).dtype == DType::kFloat16 || c.in(0).dtype == DType::kBfloat16)) return {};
  return runtime::Bound{map_pieces(node, c.version, reference),
                        "map_" + tensor::name(c.in(0).dtype)};
}

std::optional<runtime::Bound> bind_moves(const ir::Node& node, const runtime::BindContext& c,
                                         Reference reference, const char* kernel,
                                         std::optional<Adapted> adapted) {
  if (!c.has(0) || !c.has_output(0)) return {};
  std::optional<ByteMap> map;
  DType dtype = c.in(0).dtype;
  const bool bytes = c.in(0).quant || c.outputs[0].quant;
  if (bytes) {
    const auto in = byte_format(c.in(0)), out = byte_format(c.outputs[0]);
    if (!in || !out) return {};
    dtype = out->dtype();
    // Equal parameters of one type: codes are moved as they are.
    if (!(*in == *out)) map.emplace(requantize_table(*in, *out), c.isa);
  }
  Adapted as = adapted ? *std::move(adapted) : Adapted{node};
  return runtime::Bound{
      [as = std::move(as), version = c.version, reference, map, dtype,
       bytes](runtime::StepContext& step) {
        return guarded([&] {
          std::vector<const Tensor*> inputs(step.inputs.begin(), step.inputs.end());
          for (const auto& [i, tensor] : as.replaced) {
            if (inputs.size() <= i) inputs.resize(i + 1, nullptr);
            inputs[i] = tensor.defined() ? &tensor : nullptr;
          }
          compute(reference, as.node, version, inputs, step.outputs, arena_of(step));
          if (map)
            step.outputs[0] = mapped(step, *map, step.outputs[0], dtype);
          else if (bytes && step.outputs[0].dtype() != dtype)
            step.outputs[0] = step.outputs[0].reinterpreted(dtype);
        });
      },
      kernel, bytes};
}

}  // namespace tersor::ops::detail
