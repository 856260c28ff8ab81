// Whether rows computed the same, and what the reference computes.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "memory.h"
#include "simd/halves.h"

namespace tersor::bench_kernels {

template <typename T>
double number(T x) {
  return static_cast<double>(x);
}
inline double number(simd::bfloat16 x) { return static_cast<double>(simd::to_float(x)); }

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
  void spoil() {
    T x;
    if constexpr (std::is_same_v<T, simd::bfloat16>)
      simd::narrow(77, x);
    else
      x = 77;
    std::fill(out.begin(), out.end(), x);
  }

  std::string differs(const Lines<T>& expected) const {
    for (size_t i = 0; i < expected.size(); ++i)
      if (!(std::fabs(number(out[i]) - number(expected[i])) <= tolerance))
        return fmt::format("element {} is {} instead of {}", i, number(out[i]),
                           number(expected[i]));
    return "";
  }
};

}  // namespace tersor::bench_kernels
