// Whether rows computed the same, and what the reference computes.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "memory.h"

namespace tersor::bench_kernels {

template <typename T>
struct Results {
  Lines<T> out;        // of the row that ran last
  Lines<T> reference;  // of the first elements
  double tolerance = 0;
  Lines<T> witness = {};  // of the first row that was looked at

  // Takes the first elements of `out` as those of the reference.
  void expect(int64_t elements) {
    reference.assign(out.begin(), out.begin() + elements);
    spoil();
  }

  // What is wrong with `out`, which is spoilt for the next row.
  std::string wrong() {
    std::string why = differs(reference);
    if (witness.empty())
      witness = out;
    else if (why.empty())
      why = differs(witness);
    spoil();
    return why;
  }

 private:
  void spoil() { std::fill(out.begin(), out.end(), static_cast<T>(77)); }

  std::string differs(const Lines<T>& expected) const {
    for (size_t i = 0; i < expected.size(); ++i)
      if (!(std::fabs(static_cast<double>(out[i]) - static_cast<double>(expected[i])) <= tolerance))
        return fmt::format("element {} is {} instead of {}", i, out[i], expected[i]);
    return "";
  }
};

}  // namespace tersor::bench_kernels
