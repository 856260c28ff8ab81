// Where (9, 16): the element of x where the condition holds, else that of y; all three broadcast.
#include <memory>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/broadcast.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  c.out(0, c.elem(1), broadcast(broadcast(c.shape(0), c.shape(1)), c.shape(2)));
  if (c.rank(0) > 1 || c.rank(1) > 1 || c.rank(2) > 1) return;
  const auto condition = elements(c, 0), x = elements(c, 1), y = elements(c, 2);
  if (!condition || !x || !y) return;
  const size_t n = std::max({condition->size(), x->size(), y->size()});
  std::vector<ir::Dim> out;
  for (size_t i = 0; i < n; ++i) {
    const auto at = [&](const std::vector<ir::Dim>& v) {
      return v.empty() || (v.size() != n && v.size() != 1) ? ir::Dim() : v[v.size() == 1 ? 0 : i];
    };
    const ir::Dim a = at(*x), b = at(*y), k = at(*condition);
    out.push_back(k.known() ? (k.value ? a : b) : a == b ? a : ir::Dim());
  }
  c.set_contents(0, std::move(out));
}

void reference(ComputeContext& c) {
  const Tensor &condition = c.in(0), &x = c.in(1), &y = c.in(2);
  if (condition.dtype() != DType::kBool || x.dtype() != y.dtype())
    base::fail_input("E16", "Where takes bool and two tensors of one type, not {}, {} and {}",
                     tensor::name(condition.dtype()), tensor::name(x.dtype()),
                     tensor::name(y.dtype()));
  const Dims dims = broadcast_dims(broadcast_dims(condition.dims(), x.dims()), y.dims());
  const auto choice = bool_bytes(condition);
  const Source a(x), b(y);
  Sink out(c, 0, x.dtype(), dims);
  int64_t n = 0;
  walk<3>(dims,
          {broadcast_strides(condition.dims(), dims), broadcast_strides(x.dims(), dims),
           broadcast_strides(y.dims(), dims)},
          [&](const std::array<int64_t, 3>& o) {
            if (choice[static_cast<size_t>(o[0])])
              out.copy(n++, a, o[1]);
            else
              out.copy(n++, b, o[2]);
          });
}

// ---- binding -----------------------------------------------------------------------------------

template <typename T>
void select_row(const uint8_t* k, const T* a, const T* b, T* y, int64_t n, int64_t ks, int64_t as,
                int64_t bs) {
  for (int64_t i = 0; i < n; ++i) y[i] = k[i * ks] ? a[i * as] : b[i * bs];
}

// `tables`: x and y through tables first (8-bit wires of other parameters than the output's).
template <typename T>
runtime::Call select_call(std::array<Tensor, 3> constants,
                          std::shared_ptr<const std::array<ByteTable, 2>> tables, DType dtype) {
  return [constants = std::move(constants), tables, dtype](runtime::StepContext& c) {
    return guarded([&] {
      std::array<const Tensor*, 3> in;
      for (size_t i = 0; i < 3; ++i) in[i] = constants[i].defined() ? &constants[i] : &c.in(i);
      Dims dims = broadcast_dims(broadcast_dims(in[0]->dims(), in[1]->dims()), in[2]->dims());
      const Rows<3> rows(dims, {in[0]->dims(), in[1]->dims(), in[2]->dims()});
      Tensor& y = c.make(0, dtype, std::move(dims));
      const auto* pk = reinterpret_cast<const uint8_t*>(in[0]->raw());
      const auto* pa = reinterpret_cast<const T*>(in[1]->raw());
      const auto* pb = reinterpret_cast<const T*>(in[2]->raw());
      auto* py = reinterpret_cast<T*>(y.raw_mutable());
      rows.run(*c.pool, [&](int64_t to, const std::array<int64_t, 3>& at, int64_t n) {
        const uint8_t* k = pk + at[0];
        const T *a = pa + at[1], *b = pb + at[2];
        const int64_t ks = rows.advances(0), as = rows.advances(1), bs = rows.advances(2);
        if constexpr (sizeof(T) == 1) {
          if (tables) {
            const ByteTable &ta = (*tables)[0], &tb = (*tables)[1];
            for (int64_t i = 0; i < n; ++i) py[to + i] = k[i * ks] ? ta[a[i * as]] : tb[b[i * bs]];
            return;
          }
        }
        select_row(k, a, b, py + to, n, ks, as, bs);
      });
    });
  };
}

std::optional<runtime::Bound> bind(const ir::Node&, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has(2) || !c.has_output(0)) return {};
  std::array<Tensor, 3> constants;
  if (channels_last(c.outputs[0])) {
    // The condition is no data input: its wire lies in rows.
    if (!c.in(0).constant) return {};
    for (size_t i = 0; i < 3; ++i)
      if (c.in(i).constant) constants[i] = physical(*c.in(i).constant, c.outputs[0].rank);
  }
  if (c.in(1).quant || c.in(2).quant || c.outputs[0].quant) {
    const auto a = byte_format(c.in(1)), b = byte_format(c.in(2)), y = byte_format(c.outputs[0]);
    if (!a || !b || !y) return {};
    std::shared_ptr<const std::array<ByteTable, 2>> tables;
    if (!(*a == *y && *b == *y))
      tables = std::make_shared<const std::array<ByteTable, 2>>(
          std::array{requantize_table(*a, *y), requantize_table(*b, *y)});
    return runtime::Bound{select_call<uint8_t>(std::move(constants), tables, y->dtype()),
                          "select_u8", true};
  }
  const DType dtype = c.in(1).dtype;
  switch (tensor::bits(dtype)) {
    case 8:
      return runtime::Bound{select_call<uint8_t>(std::move(constants), {}, dtype), "select_8"};
    case 16:
      return runtime::Bound{select_call<uint16_t>(std::move(constants), {}, dtype), "select_16"};
    case 32:
      return runtime::Bound{select_call<uint32_t>(std::move(constants), {}, dtype), "select_32"};
    case 64:
      return runtime::Bound{select_call<uint64_t>(std::move(constants), {}, dtype), "select_64"};
    default:
      return {};
  }
}

}  // namespace

extern const Operator kWhere{
    .name = "Where",
    .since = 9,
    .infer = infer,
    .reference = reference,
    .traits = {.quant = QuantClass::kCombines, .data_inputs = 6, .layout = LayoutClass::kAny},
    .bind = bind};

}  // namespace tersor::ops
