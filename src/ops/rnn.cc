// RNN (7, 14, 22).
#include "ops/detail/recurrent.h"

namespace tersor::ops {
namespace {

using namespace detail;

const CellForm& form() {
  static const CellForm kForm{.gates = 1, .defaults = {"Tanh"}};
  return kForm;
}

template <typename T>
CellStep<T> make(const ComputeContext&, const Recurrence& r, const CellWeights<T>& w) {
  const int64_t h = r.hidden;
  return [r, w, h](int64_t d, T* x, const T* before, T* next, T*) {
    if (w.bias)
      for (int64_t j = 0; j < h; ++j) x[j] += w.bias[(2 * d + 1) * h + j];
    add_product(before, h, w.recurrent + d * h * h, h, x);
    for (int64_t j = 0; j < h; ++j)
      next[j] = r.activations[static_cast<size_t>(d)](clipped(x[j], r.clip));
  };
}

}  // namespace

extern const Operator kRNN{
    .name = "RNN",
    .since = 7,
    .infer = [](InferContext& c) { infer_recurrent(c, form()); },
    .reference = [](ComputeContext& c) { run_recurrent(c, form(), make<float>, make<double>); }};

}  // namespace tersor::ops
