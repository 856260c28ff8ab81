// LSTM (7, 14, 22). Gates stand in the order i o f c.
#include "ops/detail/recurrent.h"

namespace tersor::ops {
namespace {

using namespace detail;

const CellForm& form() {
  static const CellForm kForm{
      .gates = 4, .defaults = {"Sigmoid", "Tanh", "Tanh"}, .cell_state = true};
  return kForm;
}

template <typename T>
CellStep<T> make(const ComputeContext& c, const Recurrence& r, const CellWeights<T>& w) {
  const bool input_forget = c.node.attr_int("input_forget", 0) != 0;
  const int64_t h = r.hidden;
  return [r, w, h, input_forget](int64_t d, T* x, const T* before, T* next, T* cell) {
    const CellActivation* f = r.activations.data() + 3 * d;
    if (w.bias)
      for (int64_t j = 0; j < 4 * h; ++j) x[j] += w.bias[(2 * d + 1) * 4 * h + j];
    add_product(before, h, w.recurrent + d * 4 * h * h, 4 * h, x);
    const T* p = w.peephole ? w.peephole + d * 3 * h : nullptr;
    for (int64_t j = 0; j < h; ++j) {
      const T old = cell[j];
      const T i = f[0](clipped(x[j] + (p ? p[j] * old : T(0)), r.clip));
      const T forget = input_forget
                           ? T(1) - i
                           : f[0](clipped(x[2 * h + j] + (p ? p[2 * h + j] * old : T(0)), r.clip));
      const T candidate = f[1](clipped(x[3 * h + j], r.clip));
      cell[j] = forget * old + i * candidate;
      const T o = f[0](clipped(x[h + j] + (p ? p[h + j] * cell[j] : T(0)), r.clip));
      next[j] = o * f[2](cell[j]);
    }
  };
}

}  // namespace

extern const Operator kLSTM{
    .name = "LSTM",
    .since = 7,
    .infer = [](InferContext& c) { infer_recurrent(c, form()); },
    .reference = [](ComputeContext& c) { run_recurrent(c, form(), make<float>, make<double>); }};

}  // namespace tersor::ops
