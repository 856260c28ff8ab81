#include "stats/min_max.h"

#include <algorithm>
#include <cmath>

#include "kernels/histogram/histogram.h"

namespace tersor::stats {
namespace {

constexpr size_t kBlock = 4096;

const kernels::histogram::Table& table() {
  static const kernels::histogram::Table& t = kernels::histogram::table(base::detect_isa());
  return t;
}

// Extremes merged into min and max. False if a value is not finite.
bool merge_extent(const kernels::histogram::Extent& e, float& min, float& max) {
  if (!e.finite) return false;
  min = std::min(min, e.min);
  max = std::max(max, e.max);
  return true;
}

bool block_extent(std::span<const float> block, float& min, float& max) {
  return merge_extent(table().extent(block.data(), static_cast<int64_t>(block.size())), min, max);
}

}  // namespace

void MinMax::add(std::span<const float> values) {
  count += values.size();
  for (size_t start = 0; start < values.size(); start += kBlock) {
    const auto block = values.subspan(start, std::min(kBlock, values.size() - start));
    if (!block_extent(block, min, max)) count_one_by_one(block);
  }
  // Minus zero would make the result depend on the order.
  if (min == 0) min = 0;
  if (max == 0) max = 0;
}

void MinMax::add(std::span<const float> values, std::span<double> sums) {
  if (values.empty() || sums.empty()) return;
  count += values.size();
  const auto columns = static_cast<int64_t>(sums.size());
  const auto extent = table().columns(
      values.data(), static_cast<int64_t>(values.size()) / columns, columns, sums.data());
  if (!merge_extent(extent, min, max)) count_one_by_one(values);
  if (min == 0) min = 0;
  if (max == 0) max = 0;
}

void MinMax::count_one_by_one(std::span<const float> values) {
  for (float v : values) {
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

void MinMax::merge(const MinMax& other) noexcept {
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  count += other.count;
  nan += other.nan;
  inf += other.inf;
}

std::optional<size_t> first_non_finite(std::span<const float> values) {
  for (size_t start = 0; start < values.size(); start += kBlock) {
    const auto block = values.subspan(start, std::min(kBlock, values.size() - start));
    float min = 0, max = 0;
    if (block_extent(block, min, max)) continue;
    for (size_t i = 0; i < block.size(); ++i)
      if (!std::isfinite(block[i])) return start + i;
  }
  return std::nullopt;
}

}  // namespace tersor::stats
