// What RNN, GRU and LSTM share: sizes, directions, activations, products over whole sequences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ops/operator.h"

namespace tersor::ops::detail {

// One activation function of a cell, with its alpha and beta.
struct CellActivation {
  enum class Kind : uint8_t {
    kSigmoid,
    kTanh,
    kRelu,
    kAffine,
    kLeakyRelu,
    kThresholdedRelu,
    kScaledTanh,
    kHardSigmoid,
    kElu,
    kSoftsign,
    kSoftplus
  };
  Kind kind = Kind::kTanh;
  double alpha = 0, beta = 0;
  template <typename T>
  T operator()(T x) const;
};

// A cell: `gates` blocks of rows in W and R.
struct CellForm {
  int gates = 1;
  std::vector<std::string> defaults;  // activations of one direction
  bool cell_state = false;            // LSTM: initial_c and Y_c
  int sequence_input = 4;             // sequence_lens; initial_h follows, then initial_c and P
};

struct Recurrence {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0, directions = 1;
  bool batch_first = false;                 // layout = 1
  double clip = 0;                          // 0: none
  std::vector<CellActivation> activations;  // of all directions, one after the other
  std::vector<int64_t> lengths;             // by batch row
};

void infer_recurrent(InferContext& c, const CellForm& form);
// Checks every input against the others; E17 names what does not fit.
Recurrence read_recurrence(const ComputeContext& c, const CellForm& form);

// One step of one row: `x` holds the gates' sums of the inputs and biases of W, `h` the previous
// state [hidden], `next` the new one, `cell` the cell state (LSTM), updated in place. `direction`
// counts from 0.
template <typename T>
using CellStep = std::function<void(int64_t direction, T* x, const T* h, T* next, T* cell)>;
// Makes the step from widened weights: R [directions][gates * hidden][hidden] transposed to
// [directions][hidden][gates * hidden], B [directions][2 * gates * hidden], P.
template <typename T>
struct CellWeights {
  const T* recurrent = nullptr;  // transposed
  const T* bias = nullptr;       // may be null
  const T* peephole = nullptr;   // likewise
};
template <typename T>
using MakeCell = CellStep<T> (*)(const ComputeContext& c, const Recurrence& r,
                                 const CellWeights<T>& w);

// Runs all directions and writes Y, Y_h, Y_c.
void run_recurrent(ComputeContext& c, const CellForm& form, MakeCell<float> in_float,
                   MakeCell<double> in_double);

// y[j] += sum over k of x[k] * w[k][j], for a row of n.
template <typename T>
inline void add_product(const T* x, int64_t k, const T* w, int64_t n, T* y) {
  for (int64_t i = 0; i < k; ++i) {
    const T v = x[i];
    const T* row = w + i * n;
    for (int64_t j = 0; j < n; ++j) y[j] += v * row[j];
  }
}
template <typename T>
inline T clipped(T x, double clip) {
  if (clip <= 0) return x;
  const auto c = static_cast<T>(clip);
  return x < -c ? -c : x > c ? c : x;
}

}  // namespace tersor::ops::detail
