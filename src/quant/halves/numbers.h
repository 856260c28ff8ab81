// Which numbers a 16-bit float holds, and why a node had better not compute with it: private to the
// room.
#pragma once

#include <string>

#include "ir/model.h"
#include "stats/statistics.h"

namespace tersor::quant {

// In `half`, rounded to nearest even. What stands for infinity in float32 (1e30 and beyond, as in
// the masks of attention) becomes the largest finite number, if not `naive`.
Tensor narrowed(const Tensor& t, DType half, bool naive);

// The reasons against half precision, as sentences; empty if there is none.
class Numbers {
 public:
  // `ranges` must live as long; nullptr: nothing was measured.
  Numbers(DType half, const stats::Statistics* ranges) : half_(half), ranges_(ranges) {}
  // A constant: beyond the largest number, or one of few numbers that becomes 0.
  std::string against(const Tensor& constant, const std::string& name) const;
  // A value that a node reads or makes, by what was seen on data.
  std::string against(const std::string& value) const;
  // A value as input of `node`: roots, logarithms and divisors make small errors of small numbers
  // large.
  std::string against(const std::string& value, const ir::Node& node, size_t input) const;

 private:
  const stats::MinMax* range(const std::string& value) const;

  DType half_;
  const stats::Statistics* ranges_;
};

}  // namespace tersor::quant
