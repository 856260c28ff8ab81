// For the tests of plain-loop families: the instruction sets to run, sizes, numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/isa.h"

namespace tersor::kernels::testing {

// portable, and avx2 and avx512 where this machine has them: one cap for each build of a family.
inline std::vector<base::IsaSet> caps() {
  const base::IsaSet here = base::detect_isa();
  std::vector<base::IsaSet> caps = {base::IsaSet{}};
  for (base::Isa isa : {base::Isa::avx2, base::Isa::avx512})
    if (here.has(isa)) caps.push_back(base::up_to(isa));
  return caps;
}

// Around the vector widths, nothing and one.
inline constexpr int64_t kSizes[] = {0,  1,  2,  3,  7,  8,  9,   15,  16,
                                     17, 31, 33, 63, 64, 65, 130, 257, 300};

using Floats = std::vector<float>;

inline Floats random_floats(int64_t n, float low, float high, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> value(low, high);
  Floats v(static_cast<size_t>(n));
  for (float& x : v) x = value(random);
  return v;
}
template <typename T>
std::vector<T> random_codes(int64_t n, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<T> v(static_cast<size_t>(n));
  for (T& x : v) x = static_cast<T>(random());
  return v;
}
// Equal as bits, so that -0 is not 0 and a NaN is itself.
inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && (a.empty() || !std::memcmp(a.data(), b.data(), a.size() * 4));
}
inline const float kInf = std::numeric_limits<float>::infinity();
inline const float kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace tersor::kernels::testing
