// What the tests of the Winograd convolutions share.
#pragma once

#include <random>
#include <span>
#include <vector>

#include "kernels/conv_common/conv.h"

namespace tersor::kernels::testing {

// The rows that this machine can run, and `others`.
template <typename Row>
std::vector<Row> runnable(std::span<const Row> rows, std::initializer_list<Row> others) {
  std::vector<Row> all;
  const base::IsaSet here = base::detect_isa();
  for (const Row& row : rows)
    if (here.has(row.isa)) all.push_back(row);
  all.insert(all.end(), others);
  return all;
}

inline std::vector<float> numbers(int64_t n, unsigned seed) {
  std::mt19937 gen(seed);
  std::normal_distribution<float> d;
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = d(gen);
  return v;
}

inline ConvShape shape_of(int64_t n, int64_t h, int64_t w, int64_t c, int64_t oc, int64_t pad) {
  ConvShape s;
  s.n = n, s.h = h, s.w = w, s.c = c, s.oc = oc;
  s.kh = s.kw = 3;
  s.pad_top = s.pad_left = pad;
  s.oh = h + 2 * pad - 2;
  s.ow = w + 2 * pad - 2;
  return s;
}

}  // namespace tersor::kernels::testing
