// Moving elements of any type without looking at them: bytes of 1..16 per element, strings, and
// packed 4- and 2-bit types (unpacked to a byte each on the way).
#pragma once

#include <exception>
#include <span>
#include <string>
#include <vector>

#include "ops/operator.h"

namespace tersor::ops::detail {

// A tensor to take elements from.
class Source {
 public:
  explicit Source(const Tensor& t);
  const std::byte* bytes = nullptr;
  const std::string* strings = nullptr;
  size_t width = 0;  // bytes per element
  int64_t count = 0;

 private:
  Tensor held_;
};

// An output under construction. finish(), or destruction without an error on its way, puts it into
// the context.
class Sink {
 public:
  Sink(ComputeContext& c, size_t index, DType dtype, Dims dims);
  ~Sink() noexcept(false) {
    if (std::uncaught_exceptions() == unwinding_) finish();
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  int64_t count() const { return count_; }
  // n consecutive elements.
  void copy(int64_t to, const Source& from, int64_t at, int64_t n = 1);
  // n elements from one.
  void fill(int64_t to, int64_t n, const Source& from, int64_t at = 0);
  // Every element of type zero / empty string.
  void clear();
  // The block `dims` with these strides (elements, may be 0 or negative) on both sides.
  void strided(std::span<const int64_t> dims, int64_t to, std::span<const int64_t> to_strides,
               const Source& from, int64_t at, std::span<const int64_t> at_strides);
  // All of the output, in order, from a strided source.
  void strided(const Source& from, int64_t at, std::span<const int64_t> at_strides);
  void finish();

 private:
  ComputeContext& c_;
  size_t index_;
  DType dtype_;
  Dims dims_;
  int64_t count_;
  size_t width_ = 0;
  std::byte* bytes_ = nullptr;
  Tensor unpacked_;                   // for packed types
  std::vector<std::string> strings_;  // for strings
  bool done_ = false;
  int unwinding_ = std::uncaught_exceptions();
};

// Copies a strided block of elements of `width` bytes (1, 2, 4, 8 or 16); strides in elements.
// Neighbouring axes that are contiguous on both sides are merged, and contiguous runs copied at
// once.
void copy_strided(size_t width, std::span<const int64_t> dims, std::byte* to,
                  std::span<const int64_t> to_strides, const std::byte* from,
                  std::span<const int64_t> from_strides);

}  // namespace tersor::ops::detail
