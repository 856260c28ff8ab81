#include "stats/min_max.h"

#include <algorithm>
#include <cmath>

namespace tersor::stats {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = 64 * kLanes;

// Minimum and maximum of kBlock values in independent lanes. False if a value is not finite.
bool block_extent(const float* x, float& min, float& max) noexcept {
  float lo[kLanes], hi[kLanes], check[kLanes] = {};
  for (size_t l = 0; l < kLanes; ++l) lo[l] = hi[l] = x[l];
  for (size_t i = 0; i < kBlock; i += kLanes)
    for (size_t l = 0; l < kLanes; ++l) {
      const float v = x[i + l];
      lo[l] = v < lo[l] ? v : lo[l];
      hi[l] = v > hi[l] ? v : hi[l];
      check[l] += v * 0.0f;  // NaN once v is NaN or infinite
    }
  float sum = 0;
  for (size_t l = 0; l < kLanes; ++l) sum += check[l];
  if (std::isnan(sum)) return false;
  min = std::min(min, *std::min_element(lo, lo + kLanes));
  max = std::max(max, *std::max_element(hi, hi + kLanes));
  return true;
}

}  // namespace

void MinMax::add(std::span<const float> values) noexcept {
  count += values.size();
  size_t i = 0;
  while (i < values.size()) {
    size_t end = std::min(values.size(), i + kBlock);
    if (end - i == kBlock && block_extent(values.data() + i, min, max)) {
      i = end;
      continue;
    }
    for (; i < end; ++i) {
      const float v = values[i];
      if (std::isnan(v)) {
        ++nan;
      } else if (std::isinf(v)) {
        ++inf;
      } else {
        min = std::min(min, v);
        max = std::max(max, v);
      }
    }
  }
  // Minus zero would make the result depend on the order.
  if (min == 0) min = 0;
  if (max == 0) max = 0;
}

void MinMax::merge(const MinMax& other) noexcept {
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  count += other.count;
  nan += other.nan;
  inf += other.inf;
}

std::optional<size_t> first_non_finite(std::span<const float> values) noexcept {
  for (size_t start = 0; start < values.size(); start += kBlock) {
    const size_t end = std::min(values.size(), start + kBlock);
    float min = 0, max = 0;
    if (end - start == kBlock && block_extent(values.data() + start, min, max)) continue;
    for (size_t i = start; i < end; ++i)
      if (!std::isfinite(values[i])) return i;
  }
  return std::nullopt;
}

}  // namespace tersor::stats
