// GRU (7, 14, 22). Gates stand in the order z r h.
#include "ops/detail/recurrent.h"

namespace tersor::ops {
namespace {

using namespace detail;

const CellForm& form() {
  static const CellForm kForm{.gates = 3, .defaults = {"Sigmoid", "Tanh"}};
  return kForm;
}

template <typename T>
CellStep<T> make(const ComputeContext& c, const Recurrence& r, const CellWeights<T>& w) {
  const bool linear_before_reset = c.node.attr_int("linear_before_reset", 0) != 0;
  const int64_t h = r.hidden;
  return [r, w, h, linear_before_reset, sums = std::vector<T>(static_cast<size_t>(3 * h)),
          reset = std::vector<T>(static_cast<size_t>(h))](int64_t d, T* x, const T* before, T* next,
                                                          T*) mutable {
    const CellActivation* f = r.activations.data() + 2 * d;
    const T* recurrent = w.recurrent + d * 3 * h * h;  // [h][3 * h]
    const T* bias = w.bias ? w.bias + (2 * d + 1) * 3 * h : nullptr;
    for (int64_t j = 0; j < 3 * h; ++j) sums[static_cast<size_t>(j)] = bias ? bias[j] : T(0);
    add_product(before, h, recurrent, 3 * h, sums.data());
    for (int64_t j = 0; j < h; ++j) {
      const T z = f[0](clipped(x[j] + sums[static_cast<size_t>(j)], r.clip));
      x[j] = z;
      reset[static_cast<size_t>(j)] =
          f[0](clipped(x[h + j] + sums[static_cast<size_t>(h + j)], r.clip));
    }
    if (linear_before_reset) {
      for (int64_t j = 0; j < h; ++j)
        x[2 * h + j] += reset[static_cast<size_t>(j)] * sums[static_cast<size_t>(2 * h + j)];
    } else {
      for (int64_t k = 0; k < h; ++k) {
        const T v = reset[static_cast<size_t>(k)] * before[k];
        for (int64_t j = 0; j < h; ++j) x[2 * h + j] += v * recurrent[k * 3 * h + 2 * h + j];
      }
      if (bias)
        for (int64_t j = 0; j < h; ++j) x[2 * h + j] += bias[2 * h + j];
    }
    for (int64_t j = 0; j < h; ++j) {
      const T candidate = f[1](clipped(x[2 * h + j], r.clip));
      next[j] = (T(1) - x[j]) * candidate + x[j] * before[j];
    }
  };
}

}  // namespace

extern const Operator kGRU{
    .name = "GRU",
    .since = 7,
    .infer = [](InferContext& c) { infer_recurrent(c, form()); },
    .reference = [](ComputeContext& c) { run_recurrent(c, form(), make<float>, make<double>); }};

}  // namespace tersor::ops
