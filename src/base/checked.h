// Arithmetic on numbers that came from a file: every overflow is an error, never a wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"

namespace tersor::base {

[[noreturn]] inline void fail_overflow(const char* what) {
  throw Error(ErrorKind::kLimit, "E60", fmt::format("{} does not fit 64 bits", what));
}

template <typename T>
T checked_add(T a, T b, const char* what = "a size") {
  T r;
  if (__builtin_add_overflow(a, b, &r)) fail_overflow(what);
  return r;
}
template <typename T>
T checked_sub(T a, T b, const char* what = "a size") {
  T r;
  if (__builtin_sub_overflow(a, b, &r)) fail_overflow(what);
  return r;
}
template <typename T>
T checked_mul(T a, T b, const char* what = "a size") {
  T r;
  if (__builtin_mul_overflow(a, b, &r)) fail_overflow(what);
  return r;
}

// Product of non-negative dimensions; a negative one is an input error.
inline int64_t element_count(std::span<const int64_t> dims) {
  int64_t n = 1;
  bool zero = false;
  for (int64_t d : dims) {
    if (d < 0) fail_input("E12", "dimension {} is negative", d);
    if (d == 0) zero = true;
  }
  if (zero) return 0;
  for (int64_t d : dims) n = checked_mul(n, d, "an element count");
  return n;
}

constexpr size_t align_up(size_t n, size_t a) { return (n + a - 1) / a * a; }

// True when [offset, offset + length) lies in [0, size).
constexpr bool in_range(uint64_t offset, uint64_t length, uint64_t size) {
  return length <= size && offset <= size - length;
}

}  // namespace tersor::base
