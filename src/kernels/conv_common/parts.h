// Scratch in parts, and the pitch of rows in it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tersor::kernels {

constexpr int64_t round_up(int64_t n, int64_t unit) noexcept {
  return (n + unit - 1) / unit * unit;
}

// Elements from one row of so many to the next: whole lines of the cache an odd number of times, so
// that rows that are read side by side spread over the sets of L1.
template <typename T>
constexpr int64_t spread_pitch(int64_t elements) noexcept {
  constexpr int64_t kLine = 64 / sizeof(T);
  return elements % (2 * kLine) == 0 ? elements + kLine : elements;
}

// The parts of a scratch one after the other; from null, `at` counts their bytes.
struct Parts {
  std::byte* scratch;
  int64_t at = 0;
  template <typename T>
  T* take(int64_t count) noexcept {
    std::byte* part = scratch + at;
    at += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return reinterpret_cast<T*>(part);
  }
};

}  // namespace tersor::kernels
