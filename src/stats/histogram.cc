#include "stats/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/checked.h"
#include "stats/min_max.h"

namespace tersor::stats {
namespace {

constexpr int kBins = Histogram::kBins;
constexpr int kSkipped = 2 * kBins;  // the slot of values that are not finite
constexpr size_t kTables = 4;  // so that equal neighbours do not wait for each other's counter
constexpr size_t kTableFrom = 4096;         // fewer values are not worth clearing the tables
constexpr size_t kChunk = size_t{1} << 30;  // a 32-bit counter cannot overflow

// The bin of a value: magnitude bins first, then those of the negative values, then kSkipped. The
// product is exact, or so small that it truncates to 0 as the exact one would.
inline int slot(float value, float scale) noexcept {
  const float position = std::fabs(value) * scale;
  const int bin = position < static_cast<float>(kBins) ? static_cast<int>(position) : kSkipped;
  return bin + (value < 0 && bin != kSkipped ? kBins : 0);
}

int exponent_for(float largest) noexcept {
  int exponent = Histogram::kMinExponent;
  if (largest > 0) std::frexp(largest, &exponent);
  return std::max(exponent, Histogram::kMinExponent);
}

void fold(std::vector<uint64_t>& counts, int shift) noexcept {
  if (counts.empty() || shift == 0) return;
  if (shift > Histogram::kBinBits) shift = Histogram::kBinBits;  // everything falls into bin 0
  for (size_t k = 0; k < counts.size(); ++k) {
    const uint64_t n = counts[k];
    counts[k] = 0;
    counts[k >> shift] += n;
  }
}

void add_counts(std::vector<uint64_t>& into, std::span<const uint64_t> from) {
  if (from.empty()) return;
  if (into.empty()) into.resize(kBins);
  for (size_t k = 0; k < from.size(); ++k) into[k] += from[k];
}

}  // namespace

Histogram::Histogram(int exponent, std::vector<uint64_t> positive, std::vector<uint64_t> negative)
    : exponent_(exponent), positive_(std::move(positive)), negative_(std::move(negative)) {
  for (const auto* half : {&positive_, &negative_}) {
    if (!half->empty() && half->size() != static_cast<size_t>(kBins))
      base::fail_input("E25", "a histogram has {} bins instead of {}", half->size(), kBins);
    for (uint64_t n : *half) total_ = base::checked_add(total_, n, "a count");
  }
  if (exponent < kMinExponent || exponent > kMaxExponent)
    base::fail_input("E25", "a histogram has exponent {}", exponent);
}

double Histogram::width() const noexcept { return std::ldexp(1.0, exponent_ - kBinBits); }

void Histogram::grow(int exponent) noexcept {
  if (exponent <= exponent_) return;
  fold(positive_, exponent - exponent_);
  fold(negative_, exponent - exponent_);
  exponent_ = exponent;
}

void Histogram::add(std::span<const float> values) {
  MinMax extent;
  extent.add(values);
  if (!extent.empty()) add(values, std::max(std::fabs(extent.min), std::fabs(extent.max)));
}

void Histogram::add(std::span<const float> values, float largest) {
  grow(exponent_for(largest));
  const float scale = std::ldexp(1.0f, kBinBits - exponent_);
  std::array<uint64_t, kSkipped + 1> sums{};
  if (values.size() < kTableFrom) {
    for (float v : values) ++sums[static_cast<size_t>(slot(v, scale))];
  } else {
    std::array<std::array<uint32_t, kSkipped + 1>, kTables> tables;
    for (size_t start = 0; start < values.size(); start += kChunk) {
      const auto chunk = values.subspan(start, std::min(kChunk, values.size() - start));
      for (auto& table : tables) table.fill(0);
      size_t i = 0;
      for (; i + kTables <= chunk.size(); i += kTables)
        for (size_t t = 0; t < kTables; ++t)
          ++tables[t][static_cast<size_t>(slot(chunk[i + t], scale))];
      for (; i < chunk.size(); ++i) ++tables[0][static_cast<size_t>(slot(chunk[i], scale))];
      for (const auto& table : tables)
        for (size_t k = 0; k < sums.size(); ++k) sums[k] += table[k];
    }
  }
  total_ += values.size() - sums[kSkipped];
  for (int half = 0; half < 2; ++half) {
    const std::span<const uint64_t> part(sums.data() + half * kBins, static_cast<size_t>(kBins));
    if (std::ranges::any_of(part, [](uint64_t n) { return n != 0; }))
      add_counts(half == 0 ? positive_ : negative_, part);
  }
}

void Histogram::merge(const Histogram& other) {
  grow(other.exponent_);
  const auto add_half = [&](std::vector<uint64_t>& into, const std::vector<uint64_t>& from) {
    std::vector<uint64_t> folded = from;
    fold(folded, exponent_ - other.exponent_);
    add_counts(into, folded);
  };
  add_half(positive_, other.positive_);
  add_half(negative_, other.negative_);
  total_ += other.total_;
}

double Histogram::quantile(double q) const noexcept {
  if (total_ == 0) return 0;
  const double target = std::clamp(q, 0.0, 1.0) * static_cast<double>(total_);
  const double w = width();
  double below = 0, last = 0;
  for (size_t i = negative_.size(); i-- > 0;) {
    const auto n = static_cast<double>(negative_[i]);
    if (n == 0) continue;
    if (below + n >= target) return -w * static_cast<double>(i + 1) + w * (target - below) / n;
    below += n;
    last = -w * static_cast<double>(i);
  }
  for (size_t i = 0; i < positive_.size(); ++i) {
    const auto n = static_cast<double>(positive_[i]);
    if (n == 0) continue;
    if (below + n >= target) return w * static_cast<double>(i) + w * (target - below) / n;
    below += n;
    last = w * static_cast<double>(i + 1);
  }
  return last;
}

double Histogram::share_outside(double lo, double hi) const noexcept {
  if (total_ == 0) return 0;
  const double w = width();
  double outside = 0;
  const auto add_bin = [&](double start, uint64_t n) {
    const double inside = std::max(0.0, std::min(hi, start + w) - std::max(lo, start)) / w;
    outside += (1 - inside) * static_cast<double>(n);
  };
  for (size_t i = 0; i < negative_.size(); ++i)
    if (negative_[i] != 0) add_bin(-w * static_cast<double>(i + 1), negative_[i]);
  for (size_t i = 0; i < positive_.size(); ++i)
    if (positive_[i] != 0) add_bin(w * static_cast<double>(i), positive_[i]);
  return outside / static_cast<double>(total_);
}

Histogram::Dense Histogram::dense() const {
  Dense d;
  d.width = width();
  if (total_ == 0) return d;
  std::vector<uint64_t> all(2 * static_cast<size_t>(kBins));
  for (size_t i = 0; i < negative_.size(); ++i)
    all[static_cast<size_t>(kBins) - 1 - i] = negative_[i];
  for (size_t i = 0; i < positive_.size(); ++i) all[static_cast<size_t>(kBins) + i] = positive_[i];
  const auto used = [](uint64_t n) { return n != 0; };
  const auto first = std::find_if(all.begin(), all.end(), used);
  const auto last = std::find_if(all.rbegin(), all.rend(), used).base();
  d.lo = static_cast<double>(first - all.begin() - kBins) * d.width;
  d.counts.assign(first, last);
  return d;
}

size_t Histogram::memory_bytes() const noexcept {
  return sizeof *this + (positive_.capacity() + negative_.capacity()) * sizeof(uint64_t);
}

}  // namespace tersor::stats
