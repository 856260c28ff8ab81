// Where (9, 16): the element of x where the condition holds, else that of y; all three broadcast.
#include "ops/detail/arguments.h"
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
            if (choice[static_cast<size_t>(o[0])]) out.copy(n++, a, o[1]);
            else out.copy(n++, b, o[2]);
          });
}

}  // namespace

extern const Operator kWhere{
    .name = "Where",
    .since = 9,
    .infer = infer,
    .reference = reference,
    .traits = {.quant = QuantClass::kCombines, .data_inputs = 6, .layout = LayoutClass::kAny}};

}  // namespace tersor::ops
