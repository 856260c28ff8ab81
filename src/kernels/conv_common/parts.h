// Scratch in parts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tersor::kernels {

constexpr int64_t round_up(int64_t n, int64_t unit) noexcept {
  return (n + unit - 1) / unit * unit;
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
