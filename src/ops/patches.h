// What an operator with weights multiplies its filters with, row by row: patches of the input of a
// Conv, vectors of a Gemm or MatMul.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/model.h"

namespace tersor::ops {

// The filters of a weight: filter f (of all groups, one after the other) has its k-th number at
// element f * filter_stride + k * element_stride.
struct Filters {
  int64_t groups = 1, count = 0, length = 0;
  int64_t filter_stride = 0, element_stride = 0;
  size_t at(int64_t filter, int64_t k) const noexcept {
    return static_cast<size_t>(filter * filter_stride + k * element_stride);
  }
};
// Of Conv, Gemm and MatMul with a weight of these dimensions; nullopt for other operators and forms
// (a stack of matrices).
std::optional<Filters> filters_of(const ir::Node& node, const Dims& weight);

// Cuts the rows of a value: dims in ONNX order, for the filters above.
class Patches {
 public:
  // An Error if the window does not fit the value.
  Patches(const ir::Node& node, const Dims& weight, const Dims& value);
  int64_t rows() const noexcept { return rows_; }
  // Elements of row `row` in all groups: f(group, k, element of the value); padding is left out.
  template <typename Visit>
  void each(int64_t row, Visit&& visit) const;

 private:
  struct Tap {
    int64_t tap, offset;
  };
  Filters filters_;
  int64_t rows_ = 0;
  int64_t taps_ = 1, plane_ = 1;  // of a filter; elements of a channel
  std::vector<int64_t> first_;    // Conv: of each output position, its first in placed_
  std::vector<Tap> placed_;
};

template <typename Visit>
void Patches::each(int64_t row, Visit&& visit) const {
  if (first_.empty()) {
    for (int64_t k = 0; k < filters_.length; ++k) visit(int64_t{0}, k, row * filters_.length + k);
    return;
  }
  const auto positions = static_cast<int64_t>(first_.size()) - 1;
  const auto at = static_cast<size_t>(row % positions);
  const int64_t inputs = filters_.length / taps_;
  int64_t channel = row / positions * inputs * filters_.groups;  // of all samples
  for (int64_t g = 0; g < filters_.groups; ++g)
    for (int64_t c = 0; c < inputs; ++c, ++channel)
      for (int64_t i = first_[at]; i < first_[at + 1]; ++i) {
        const Tap& t = placed_[static_cast<size_t>(i)];
        visit(g, c * taps_ + t.tap, channel * plane_ + t.offset);
      }
}

}  // namespace tersor::ops
